"""What `apply` meets: a list of metrics, and a service in which every kind of step is needed."""

from __future__ import annotations

from typing import Any

from .steps import UPDATES

PADDING = "x" * 4_000_000  # more than the buffers of both ends
CODE = "vocera_defined_metric_code"
NEW = tuple(f"New {i}" for i in range(3))
COPIED = {"Latency": "latency", "Talk ratio": "talk_ratio"}
CHANGED = tuple(f"Known {i}" for i in range(UPDATES))
OLD = ("Old 0", "Old 1")
SAME = "Same"


def wanted(padding: str = "") -> list[dict[str, Any]]:
    """The list that is applied: metrics to create, to copy, to update, and one that is as wanted.

    Args:
        padding: Is added to the first of those that are created, and of those that are updated.
    """
    new = [{"name": name, "eval_type": "binary", "description": f"Is it {name}?"} for name in NEW]
    copied = [{"name": name, CODE: code} for name, code in COPIED.items()]
    changed = [{"name": name, "eval_type": "binary", "description": "after"} for name in CHANGED]
    if padding:
        new[0]["padding"] = changed[0]["padding"] = padding
    return [*new, *copied, *changed, {"name": SAME, "eval_type": "binary", "description": "before"}]


def existing(agent: int, neighbor: int, project: int, other_project: int) -> list[dict[str, Any]]:
    """What the service has before, without ids: metrics to update and to delete, and some to leave alone."""
    alone, shared, of_neighbor = {"agents": [agent]}, {"agents": [agent, neighbor]}, {"agents": [neighbor]}
    different: list[dict[str, Any]] = [
        *({"name": name, "padding": "", **alone} for name in CHANGED),
        *({"name": name, **alone} for name in (*OLD, SAME)),
        {"name": "CSAT", CODE: "csat", **alone},
        {"name": "Shared", **shared},
        {"name": "Of the project", "agents": []},
        # Another agent has metrics of the same names.
        *({"name": name, **of_neighbor} for name in (NEW[0], CHANGED[0], OLD[0])),
        {"name": "Latency", CODE: "latency", **of_neighbor},
        {"name": OLD[1], "agents": [], "project": other_project},
    ]
    common = {"description": "before", "eval_type": "binary", "type": "llm_judge", "project": project}
    return [{**common, **each} for each in different]


def is_left_alone(metric: dict[str, Any], agent: int) -> bool:
    """Whether nothing may happen to an existing metric."""
    return metric["agents"] != [agent] or metric["name"] not in (*CHANGED, *OLD)
