"""The metrics that `apply` wants, and existing metrics that need every kind of step."""

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
    """The metrics of the plan: some to create, some to copy, some to update, and one that is unchanged.

    Args:
        padding: Text to add to the first metric that is created, and to the first one that is updated.
    """
    new = [{"name": name, "eval_type": "binary", "description": f"Is it {name}?"} for name in NEW]
    copied = [{"name": name, CODE: code} for name, code in COPIED.items()]
    changed = [{"name": name, "eval_type": "binary", "description": "after"} for name in CHANGED]
    if padding:
        new[0]["padding"] = changed[0]["padding"] = padding
    return [*new, *copied, *changed, {"name": SAME, "eval_type": "binary", "description": "before"}]


def existing(agent: int, neighbor: int, project: int, other_project: int) -> list[dict[str, Any]]:
    """The existing metrics, without ids: some to update, some to delete, and some that must not change."""
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


def must_not_change(metric: dict[str, Any], agent: int) -> bool:
    """Whether `apply` must not change an existing metric."""
    return metric["agents"] != [agent] or metric["name"] not in (*CHANGED, *OLD)
