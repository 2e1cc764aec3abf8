"""Metrics as YAML that is made to be read and edited, and back, with nothing lost.

Read as YAML 1.2 reads JSON: only `null`, `true`, `false` and numbers are something else than text, so that a `no`, a
date or a time that somebody types stays what it is. Written so that readers of YAML 1.1 understand the same.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

_FIRST = ("name", "description", "type", "eval_type", "enum_values")
_LONG = 100  # characters, from which on a text is folded
_NULL = re.compile("~|null|Null|NULL|")
_BOOL = re.compile("true|True|TRUE|false|False|FALSE")
_INT = re.compile("[-+]?[0-9]+")
_FLOAT = re.compile(
    r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
_TAGS = {"null": _NULL, "bool": _BOOL, "int": _INT, "float": _FLOAT}
# Line ends but "\n" and what does not print are kept by quotes only.
_QUOTED = re.compile("[^\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")


class BrokenText(ValueError):
    """A text that is no list of metrics.

    Attributes:
        line: Where, from 1; None when that is not known.
    """

    def __init__(self, problem: str, line: int | None = None) -> None:
        super().__init__(f"line {line}: {problem}" if line else problem)
        self.line = line


class Loader(yaml.SafeLoader):
    """Recognizes null, booleans and numbers as YAML 1.2 does. Its nodes are for `value_of`."""


class Dumper(yaml.SafeDumper):
    """Quotes the strings that readers of YAML 1.1 or 1.2 would take for something else."""

    # PyYAML gives both methods their names and parameters.
    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002
        super().increase_indent(flow, indentless=False)


Loader.yaml_implicit_resolvers = {}
for _kind, _pattern in _TAGS.items():
    whole = re.compile(f"(?:{_pattern.pattern})$")
    for _class in (Loader, Dumper):
        _class.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", whole, None)


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None
    # PyYAML may end the document after a block that ends with an empty line.
    if _QUOTED.search(text) or text == "\n" or text.endswith("\n\n"):
        style = '"'
    elif "\n" in text:
        style = "|"
    elif len(text) > _LONG and text == " ".join(text.split(" ")).strip() and "  " not in text:
        style = ">"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


Dumper.add_representer(str, _represent_text)


def dump(metrics: Sequence[Mapping[str, Any]]) -> str:
    """Metrics as YAML, one after the other with a line between."""
    return "\n".join(
        yaml.dump([_ordered(metric)], Dumper=Dumper, allow_unicode=True, sort_keys=False, width=120)
        for metric in metrics
    )


def _ordered(metric: Mapping[str, Any]) -> dict[str, Any]:
    return {name: metric[name] for name in _FIRST if name in metric} | dict(metric)


def load(text: str) -> list[dict[str, Any]]:
    """The metrics in a text. Raises BrokenText, with the line."""
    try:
        node = yaml.compose(text, Loader=Loader)
        return [] if node is None else _metrics(node)
    except yaml.MarkedYAMLError as error:
        raise _explained(error) from None
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1 if isinstance(error.position, int) else None
        raise BrokenText(f"a character that YAML does not allow ({error.reason}).", line) from None
    except RecursionError:
        raise BrokenText("it is nested too deeply.") from None


def _explained(error: yaml.MarkedYAMLError) -> BrokenText:
    problem = ", ".join(part for part in (error.context, error.problem) if part)
    begun, noticed = error.context_mark, error.problem_mark or error.context_mark
    if noticed is None:
        return BrokenText(f"{problem}.")
    # What is not closed is noticed far behind the line that is to be mended.
    if begun is not None and begun.line != noticed.line and re.search("quoted|flow", error.context or ""):
        return BrokenText(f"{problem} in line {noticed.line + 1}.", begun.line + 1)
    return BrokenText(f"{problem}.", noticed.line + 1)


def _metrics(node: yaml.Node) -> list[dict[str, Any]]:
    if node.tag == "tag:yaml.org,2002:null":
        return []
    if not isinstance(node, yaml.SequenceNode):
        raise BrokenText("expected a list of metrics, each beginning with `- name: …`.", _line(node))
    return [_metric(each) for each in node.value]


def _metric(node: yaml.Node) -> dict[str, Any]:
    if not isinstance(node, yaml.MappingNode):
        raise BrokenText("expected a metric, with its fields as `name: value`.", _line(node))
    fields: dict[str, Any] = value_of(node)
    named = [value for key, value in node.value if getattr(key, "value", None) == "name"]
    if not named:
        raise BrokenText("this metric has no name.", _line(node))
    if not isinstance(fields["name"], str) or not fields["name"].strip():
        raise BrokenText("the name of a metric must be a text, and not empty.", _line(named[0]))
    return fields


def value_of(node: yaml.Node) -> Any:  # noqa: ANN401 - YAML can hold any value.
    """The value of a node. Every key is a string, as in JSON. Raises BrokenText, with the line."""
    if isinstance(node, yaml.MappingNode) and node.tag.endswith(":map"):
        mapping: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise BrokenText("the name of a field must be a text.", _line(key))
            if key.value in mapping:
                raise BrokenText(f"{key.value!r} stands here twice.", _line(key))
            mapping[key.value] = value_of(value)
        return mapping
    if isinstance(node, yaml.SequenceNode) and node.tag.endswith(":seq"):
        return [value_of(each) for each in node.value]
    kind = node.tag.removeprefix("tag:yaml.org,2002:")
    if kind not in (*_TAGS, "str") or not isinstance(node, yaml.ScalarNode):
        raise BrokenText(f"the tag {node.tag!r} means nothing here.", _line(node))
    return _scalar(kind, node)


def _scalar(kind: str, node: yaml.ScalarNode) -> str | float | bool | None:
    text: str = node.value
    if kind == "str":
        return text
    if not _TAGS[kind].fullmatch(text):
        raise BrokenText(f"{text!r} is no {kind}.", _line(node))
    try:
        if kind == "int":
            return int(text)
        if kind == "float":
            return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    except ValueError:
        raise BrokenText("a number with too many digits.", _line(node)) from None
    return None if kind == "null" else text.lower() == "true"


def is_finite(value: object) -> bool:
    """Whether a value has no number that JSON cannot express."""
    if isinstance(value, dict | list):
        return all(map(is_finite, value.values() if isinstance(value, dict) else value))
    return not isinstance(value, float) or math.isfinite(value)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
