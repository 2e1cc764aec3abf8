"""Writes metrics as YAML that is easy to read and edit, and reads it without loss.

Reading follows YAML 1.2. Only `null`, `true`, `false` and numbers are not strings, so that `no`, a date or a time that
somebody types remains a string. Readers of YAML 1.1 understand the written YAML in the same way.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import yaml

_FIRST = ("name", "type", "description", "eval_type", "enum_values", "prompt")
MAX_DEPTH = 100  # levels of nested lists and mappings
MAX_VALUES = 500_000  # in a document, including those that aliases repeat
MAX_DIGITS = 300  # of an integer, about as many as a float can have
_LONG = 100  # characters, above which a string is folded
_NULL = re.compile("~|null|Null|NULL|")
_BOOL = re.compile("true|True|TRUE|false|False|FALSE")
_INT = re.compile("[-+]?[0-9]+")
_FLOAT = re.compile(
    r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
_ANOTHER = (
    "expected a single document, but another one begins. Delete it, or put its content above the end of the first one "
    "(`...`, `---` or the last bracket)."
)
_QUOTES = "Put strings that begin with this character in quotes."
# Advice for messages of the parser.
_ADVICE = {
    r"'\\t' that cannot start": "Use spaces, not tabs.",
    "cannot start any token|alias": _QUOTES,
    "mapping values are not allowed": "Check the indentation. Put strings that contain `: ` in quotes.",
}
_TAGS = {"null": _NULL, "bool": _BOOL, "int": _INT, "float": _FLOAT}
_HALF = re.compile("[\ud800-\udfff]")
# Characters that change the text direction are escaped. Only quotes preserve line ends other than "\n" and characters
# that cannot be printed.
_TURNING = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_QUOTED = re.compile(
    "[^\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]|" + _TURNING.pattern
)


class BrokenText(ValueError):
    """Text that is not a list of metrics, or not a document.

    Attributes:
        line: Line of the problem, from 1, or None if it is not known.
    """

    def __init__(self, problem: str, line: int | None = None, column: int | None = None) -> None:
        where = f"line {line}, column {column}" if column else f"line {line}"
        super().__init__(f"{where}: {problem}" if line else problem)
        self.line = line


class Loader(yaml.SafeLoader):
    """Recognizes null, booleans and numbers as in YAML 1.2. `value_of` reads its nodes."""


class Dumper(yaml.SafeDumper):
    """Quotes the strings that readers of YAML 1.1 or 1.2 would take for something else."""

    # PyYAML prescribes the names and parameters of both methods.
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
    """Metrics as YAML, with an empty line between them."""
    if not metrics:
        return "[]\n"
    text = "\n".join(
        yaml.dump([_ordered(metric)], Dumper=Dumper, allow_unicode=True, sort_keys=False, width=120)
        for metric in metrics
    )
    return _TURNING.sub(lambda found: f"\\u{ord(found[0]):04X}", text)  # They occur only in double quotes.


def _ordered(metric: Mapping[str, Any]) -> dict[str, Any]:
    return {name: metric[name] for name in _FIRST if name in metric} | dict(metric)


def load(text: str) -> list[dict[str, Any]]:
    """The metrics in a YAML document. Raises BrokenText, with the line."""
    node = compose(text, Loader)
    return [] if node is None else _metrics(node)


def compose(text: str, loader: Callable[[str], Any]) -> yaml.Node | None:
    """The nodes of the only document in a string, None if it is empty. Raises BrokenText, with the line.

    PyYAML composes recursively, and its C parser does so without a limit. Aliases are cheap, so that ten lines can
    expand to a trillion values. So this function limits the depth and the number of values, including those of aliases.
    """
    if found := yaml.reader.Reader.NON_PRINTABLE.search(text):
        line, column = text.count("\n", 0, found.start()) + 1, found.start() - text.rfind("\n", 0, found.start())
        raise BrokenText(f"a character that YAML does not allow (U+{ord(found[0]):04X}).", line, column)
    parser = loader(text)
    try:
        return _Composer(parser).document()
    except yaml.MarkedYAMLError as error:
        raise _explained(error) from None
    finally:
        parser.dispose()


class _Composer:
    """Turns the events of a parser into nodes, without recursion."""

    def __init__(self, parser: Any) -> None:  # noqa: ANN401 - The parsers of PyYAML have no common class.
        self._parser = parser
        self._open: list[tuple[yaml.CollectionNode, list[yaml.Node], str | None, int]] = []
        self._anchors: dict[str, tuple[yaml.Node, int] | None] = {}
        self._nodes = 0
        self._root: yaml.Node | None = None

    def document(self) -> yaml.Node | None:
        """The only document."""
        documents = 0
        while self._parser.check_event():
            event = self._parser.get_event()
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise BrokenText(_ANOTHER, *position(event))
            elif isinstance(event, yaml.AliasEvent):
                self._alias(event)
            elif isinstance(event, yaml.ScalarEvent):
                self._scalar(event)
            elif isinstance(event, yaml.CollectionStartEvent):
                self._begin(event)
            elif isinstance(event, yaml.CollectionEndEvent):
                self._end(event)
        return self._root

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        tag = event.tag
        if tag is None or tag == "!":
            tag = self._parser.resolve(yaml.ScalarNode, event.value, event.implicit)
        # The type stubs know only the marks of one parser.
        marks: tuple[Any, Any] = event.start_mark, event.end_mark
        node = yaml.ScalarNode(tag, event.value, *marks, style=event.style)
        # A long string counts as several values, because aliases repeat it as well.
        nodes = 1 + len(event.value) // 100
        self._count(nodes, event)
        self._add(node, event.anchor, nodes)

    def _begin(self, event: yaml.CollectionStartEvent) -> None:
        if len(self._open) >= MAX_DEPTH:
            raise BrokenText(f"nested more than {MAX_DEPTH} levels deep.", *position(event))
        kind = yaml.SequenceNode if isinstance(event, yaml.SequenceStartEvent) else yaml.MappingNode
        tag = event.tag
        if tag is None or tag == "!":
            tag = self._parser.resolve(kind, None, event.implicit)
        mark: Any = event.start_mark
        node = kind(tag, [], mark, flow_style=event.flow_style)
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        self._open.append((node, [], event.anchor, self._nodes))
        self._count(1, event)

    def _end(self, event: yaml.CollectionEndEvent) -> None:
        node, children, anchor, before = self._open.pop()
        mapping = isinstance(node, yaml.MappingNode)
        node.value = list(zip(children[::2], children[1::2], strict=True)) if mapping else children
        node.end_mark = event.end_mark
        self._add(node, anchor, self._nodes - before)

    def _alias(self, event: yaml.AliasEvent) -> None:
        if event.anchor not in self._anchors:
            raise BrokenText(f"undefined alias {event.anchor!r}. {_QUOTES}", *position(event))
        anchored = self._anchors[event.anchor]
        if anchored is None:
            raise BrokenText(f"the alias {event.anchor!r} is inside the value that it repeats.", *position(event))
        node, nodes = anchored
        self._count(nodes, event)
        self._add(node, None, nodes)

    def _add(self, node: yaml.Node, anchor: str | None, nodes: int) -> None:
        if anchor is not None:
            self._anchors[anchor] = node, nodes
        if self._open:
            self._open[-1][1].append(node)
        else:
            self._root = node

    def _count(self, nodes: int, event: yaml.Event) -> None:
        self._nodes += nodes
        if self._nodes > MAX_VALUES:
            raise BrokenText(f"more than {MAX_VALUES:,} values, including those that aliases repeat.", *position(event))


def position(part: yaml.Event | yaml.Node) -> tuple[int, int]:
    """The line and the column where an event or a node begins, both from 1."""
    mark = part.start_mark
    return (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)


def _explained(error: yaml.MarkedYAMLError) -> BrokenText:
    problem = ", ".join(part for part in (error.context, error.problem) if part)
    begun, noticed = error.context_mark, error.problem_mark or error.context_mark
    if noticed is None:
        return BrokenText(f"{problem}.")
    if "<document start>" in problem:
        return BrokenText(_ANOTHER, noticed.line + 1, noticed.column + 1)
    # The parser reports a missing quote or bracket far below the line that lacks it.
    if begun is not None and begun.line != noticed.line and re.search("quoted|flow", error.context or ""):
        return BrokenText(f"{problem} in line {noticed.line + 1}.", begun.line + 1, begun.column + 1)
    advice = next((f" {text}" for pattern, text in _ADVICE.items() if re.search(pattern, problem)), "")
    return BrokenText(f"{problem}.{advice}", noticed.line + 1, noticed.column + 1)


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
        raise BrokenText("the name of a metric must be a string that is not empty.", _line(named[0]))
    return fields


def value_of(node: yaml.Node) -> Any:  # noqa: ANN401 - YAML can hold any value.
    """The value of a node. Every key is a string, as in JSON. Raises BrokenText, with the line."""
    if isinstance(node, yaml.MappingNode) and node.tag.endswith(":map"):
        mapping: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise BrokenText(f"the name of a field must be a string. {_QUOTES}", *position(key))
            if key.value in mapping:
                raise BrokenText(f"the field {key.value!r} appears twice.", *position(key))
            mapping[key.value] = value_of(value)
        return mapping
    if isinstance(node, yaml.SequenceNode) and node.tag.endswith(":seq"):
        return [value_of(each) for each in node.value]
    kind = node.tag.removeprefix("tag:yaml.org,2002:")
    if kind not in (*_TAGS, "str") or not isinstance(node, yaml.ScalarNode):
        raise BrokenText(f"the tag {node.tag!r} is not supported. {_QUOTES}", *position(node))
    return _scalar(kind, node)


def _scalar(kind: str, node: yaml.ScalarNode) -> str | float | bool | None:
    text: str = node.value
    if kind == "str":
        return text
    if not _TAGS[kind].fullmatch(text):
        raise BrokenText(f"{text!r} is not a valid {kind}.", *position(node))
    try:
        if kind == "int":
            return integer(text)
        if kind == "float":
            return finite(float(text.lower().replace(".inf", "inf").replace(".nan", "nan")))
    except ValueError as error:
        raise BrokenText(str(error), *position(node)) from None
    return None if kind == "null" else text.lower() == "true"


def integer(text: str) -> int:
    """An integer. Raises ValueError if it has more than MAX_DIGITS digits, too many for a float."""
    if len(text) > MAX_DIGITS:
        raise ValueError(f"a number with too many digits ({len(text):,}; at most {MAX_DIGITS}).")
    return int(text)


def finite(number: float) -> float:
    """The number. Raises ValueError if it is infinite or NaN, which JSON cannot express."""
    if not math.isfinite(number):
        raise ValueError("a number that is not finite (JSON has no such number).")
    return number


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object with these fields. Raises BrokenText for a repeated name, because readers disagree on its value."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise BrokenText(f"the field {name!r} appears twice in one object.")
            seen.add(name)
    return fields


def has_half_character(value: object) -> bool:
    """Whether a string in a value has half of a surrogate pair, which UTF-8 cannot express."""
    if isinstance(value, dict):
        return any(has_half_character(each) for pair in value.items() for each in pair)
    if isinstance(value, list):
        return any(map(has_half_character, value))
    return isinstance(value, str) and _HALF.search(value) is not None


def check(value: object) -> None:
    """Raise BrokenText, with the place, if a JSON value exceeds the limits for YAML."""
    values, depth, level = 0, 0, [value]
    while level:
        values += len(level)
        depth += any(isinstance(each, dict | list) for each in level)
        if values > MAX_VALUES:
            raise BrokenText(f"more than {MAX_VALUES:,} values.")
        if depth > MAX_DEPTH:
            raise BrokenText(f"nested more than {MAX_DEPTH} levels deep.")
        for each in level:
            if isinstance(each, float) and not math.isfinite(each):
                raise BrokenText(f"a number that is not finite, at {_place(value, each)} (JSON has no such number).")
        level = [child for each in level for child in _children(each)]


def _children(value: object) -> Iterable[object]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _place(value: object, wanted: object) -> str:
    """The path of an object in a value, such as `paths./x.get`."""
    todo: list[tuple[object, str]] = [(value, "")]
    while todo:
        each, place = todo.pop()
        if each is wanted:
            return place.removeprefix(".")
        if isinstance(each, dict | list):
            items = each.items() if isinstance(each, dict) else enumerate(each)
            todo += [(child, f"{place}.{key}") for key, child in items]
    return "an unknown place"


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
