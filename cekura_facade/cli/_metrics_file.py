"""Reads and checks the file of metrics that `plan` and `apply` compare with the service."""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from cekura_api.model import check, fields_of, shown
from cekura_api.models import GeneratedMetric, Metric, MetricCreate

from cekura_facade._matching import agents_of, comparable, id_of, score_type

from . import _files, _operations, _yaml
from ._errors import WrongUsage
from ._operations import Field
from ._text import plural, visible

MAX_PROBLEMS = 10  # the number of problems that one run reports
CODE = "vocera_defined_metric_code"
END = "...\n"  # the last line of an export
_COMPLETE = "The last line (...) shows that the file is complete."
_LONGEST_NAME = 255  # characters. The service may cut a longer one.
_TOP_LEVEL = ("defaults", "metrics")
_SCOPE = ("agent", "agents", "project", "assistant_id")

Place = tuple[int, int]
"""A line and a column of the file, both from 1."""


class Known(NamedTuple):
    """A field that can be written: its type, and what the specification says about it."""

    kind: object
    documented: Field | None


@dataclass(frozen=True)
class Entry:
    """A metric of the file, or the defaults.

    Attributes:
        fields: Its fields.
        place: The place where it begins. None if that is not known.
        keys: The place of the name of each field.
        values: The place of the value of each field.
    """

    fields: dict[str, Any]
    place: Place | None = None
    keys: Mapping[str, Place] = field(default_factory=dict)
    values: Mapping[str, Place] = field(default_factory=dict)


@dataclass
class MetricsFile:
    """The content of a file of metrics.

    Attributes:
        name: What messages call the file.
        entries: The metrics, without the defaults.
        defaults: The fields of every metric that does not set them itself.
        problems: Why the file cannot be used, in the order of the file.
        unknown: The fields that the specification does not list, each with a place. They are sent.
        ignored: The read-only fields, and those of predefined metrics, each with a place. They are not sent.
        is_export: Whether `export` wrote it, so that its values are those of a service.
        incomplete: Why the file may have been cut short, or an empty string.
    """

    name: str
    entries: list[Entry] = field(default_factory=list)
    defaults: Entry = field(default_factory=lambda: Entry({}))
    problems: list[str] = field(default_factory=list)
    unknown: dict[str, Place | None] = field(default_factory=dict)
    ignored: dict[str, Place | None] = field(default_factory=dict)
    is_export: bool = False
    incomplete: str = ""
    _found: list[tuple[Place, str]] = field(default_factory=list)

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """The metrics with the defaults, except for predefined metrics, which are references."""
        return [
            dict(each.fields) if CODE in each.fields else self.defaults.fields | each.fields for each in self.entries
        ]

    def at(self, place: Place | None) -> str:
        """The name of the file, with a place in it."""
        return self.name if place is None else f"{self.name}, line {place[0]}, column {place[1]}"

    def place_of(self, index: int, key: str | None = None) -> Place | None:
        """The place of a field of a metric. If it is not in the file, the place of the name or of the metric."""
        entry = self.entries[index]
        defaults = self.defaults.values if CODE not in entry.fields else {}
        where = [entry.values.get(key or ""), defaults.get(key or ""), entry.values.get("name"), entry.place]
        return next(filter(None, where), None)

    def index_of(self, name: str) -> int | None:
        """The position of the metric with this name."""
        names = [comparable(each.fields.get("name")) for each in self.entries]
        return names.index(comparable(name)) if comparable(name) in names else None

    def add(self, place: Place | None, problem: str) -> None:
        """Add a problem."""
        self._found.append((place or (0, 0), f"{self.at(place)}: {visible(problem)}"))

    def close(self) -> None:
        """Order the problems by their place, and drop those beyond the limit."""
        found = [text for _, text in sorted(self._found, key=lambda each: each[0])]
        self.problems = list(dict.fromkeys(found))
        if (more := len(self.problems) - MAX_PROBLEMS) > 0:
            self.problems[MAX_PROBLEMS:] = [f"{self.name} has {plural(more, 'more problem')}."]


def header(number: int, scope: str) -> str:
    """The comment at the top of an export. It does not name the agent or project, so that exports can be compared."""
    options = f"FILE --{scope.replace('_', '-')} ID"
    return (
        f"# {plural(number, 'metric')}, exported by cekura-facade. After you edit this file, run these commands\n"
        "# to preview the changes and to apply them:\n"
        f"#   cekura-facade plan {options}\n"
        f"#   cekura-facade apply {options}\n"
        f"# {_COMPLETE} Add metrics above it.\n\n"
    )


def read(path: Path, scope: Mapping[str, int]) -> MetricsFile:
    """Read and check a file of metrics for an agent or project.

    Args:
        path: The file, or `-` for standard input.
        scope: The agent or project: `agent_id` or `project_id`.

    Raises:
        WrongUsage: The file cannot be read, or it is not a file of metrics.
    """
    text, name = _files.read_text(path)
    file = MetricsFile(name)
    file.is_export = any(line.startswith("#") and _COMPLETE in line for line in text.splitlines())
    try:
        value, node, is_json = _load(text)
        _take(file, value, node)
    except _yaml.BrokenText as error:
        raise WrongUsage(f"{name}, {visible(error)}" if error.line else f"{name}: {visible(error)}") from None
    if not is_json:
        file.incomplete = _why_incomplete(text, is_export=file.is_export)
    for entry in (file.defaults, *file.entries):
        _check_fields(file, entry)
        _check_scope(file, entry, scope)
    _check_names(file)
    file.close()
    return file


def _load(text: str) -> tuple[object, yaml.Node | None, bool]:
    """The value in a string of JSON or YAML, its node if places are known, and whether it is JSON."""
    found, problem = _files.as_json(text)
    if problem is None and found is not None:
        try:
            # JSON allows tabs where YAML allows only spaces. Strings in JSON cannot contain tabs.
            return found, _yaml.compose(text.replace("\t", " "), _yaml.Loader), True
        except _yaml.BrokenText:
            return found, None, True
    node = _yaml.compose(text, _yaml.Loader)
    value = None if node is None else _yaml.value_of(node)  # Its errors have a place.
    if problem is not None:
        raise problem
    return value, node, False


def _take(file: MetricsFile, value: object, node: yaml.Node | None) -> None:
    """Read the metrics and the defaults from the value of the whole file."""
    nodes = _named(node)
    if isinstance(value, dict):
        is_misspelt = bool(value.keys() - {*_TOP_LEVEL})
        for key in value:
            if key not in _TOP_LEVEL:
                meant = difflib.get_close_matches(_plain(key), _TOP_LEVEL, n=1, cutoff=0.7)
                hint = f"Did you mean {meant[0]!r}?" if meant else "A file has `defaults` and `metrics`."
                file.add(_place(nodes.get(key, (None, None))[0]), f"there is no top-level key {key!r}. {hint}")
        if "defaults" in value:
            place = nodes.get("defaults", (None, None))[1]
            if isinstance(value["defaults"], dict):
                file.defaults = _entry(value["defaults"], place)
            else:
                file.add(_place(place), "expected fields as `name: value` in `defaults`.")
        value, node = value.get("metrics"), nodes.get("metrics", (None, node))[1]
        if value is None and is_misspelt:
            return
    if not isinstance(value, list):
        line, column = _place(node) or (None, None)
        raise _yaml.BrokenText(
            "expected a list of metrics, each beginning with `- name: …`. Write [] if there are none.", line, column
        )
    items = node.value if isinstance(node, yaml.SequenceNode) else [None] * len(value)
    for item, each in zip(value, items, strict=True):
        if isinstance(item, dict):
            file.entries.append(_entry(item, each))
        else:
            file.add(_place(each), "expected a metric, with its fields as `name: value`.")


def _entry(fields: dict[str, Any], node: yaml.Node | None) -> Entry:
    named = {name: pair for name, pair in _named(node).items() if name in fields}
    return Entry(
        fields,
        _place(node),
        {name: _yaml.position(key) for name, (key, _) in named.items()},
        {name: _yaml.position(value) for name, (_, value) in named.items()},
    )


def _named(node: yaml.Node | None) -> dict[str, tuple[yaml.Node, yaml.Node]]:
    return {key.value: (key, value) for key, value in node.value} if isinstance(node, yaml.MappingNode) else {}


def _place(node: yaml.Node | None) -> Place | None:
    return None if node is None else _yaml.position(node)


def _check_fields(file: MetricsFile, entry: Entry) -> None:
    is_metric = entry is not file.defaults
    if is_metric and "name" not in entry.fields:
        file.add(entry.place, "this metric has no name.")
    for key, value in entry.fields.items():
        at_key, at_value = entry.keys.get(key, entry.place), entry.values.get(key, entry.place)
        is_identity = key in ("name", CODE)
        if _yaml.has_half_character({key: value}):
            file.add(at_value, f"{key}: it contains half of a surrogate pair, such as \\ud800, which cannot be sent.")
        elif is_identity and not is_metric:
            file.add(at_key, f"`defaults` cannot have the field {key!r}. Set it in a metric.")
        elif CODE in entry.fields and not is_identity:
            file.ignored.setdefault(key, at_key)
        elif is_identity or key in known_fields():
            if problem := _wrong_identity(key, value) if is_identity else _wrong_field(file, key, value):
                file.add(at_value, f"{key}: {problem}")
        elif problem := _wrong_key(key):
            file.add(at_key, problem)
        else:
            (file.ignored if key in _readable() else file.unknown).setdefault(key, at_key)


def _wrong_identity(key: str, value: object) -> str:
    is_empty = isinstance(value, str) and not value.strip()
    return "expected a string that is not empty." if is_empty else _wrong(key, value, str)


def _wrong_field(file: MetricsFile, key: str, value: object) -> str:
    return _wrong(key, value, *known_fields()[key]) or ("" if file.is_export else _unlisted(key, value))


def _wrong_key(key: str) -> str:
    if key == "<<":
        return "merge keys (`<<`) are not supported. Set the fields that metrics share in `defaults`."
    meant = None if key in _readable() else _meant(key)
    return f"there is no field {key!r}. Did you mean {meant!r}?" if meant else ""


def _wrong(key: str, value: object, kind: object, documented: Field | None = None) -> str:
    """Why a value cannot be sent, and which values can."""
    values = documented.values if documented else ()
    try:
        check(key, value, kind, **(documented.limits if documented else {}))
    except ValueError as error:
        # The name and the value at the beginning of the message are not needed, because the message has a place.
        problem = str(error).removeprefix(f"{key}={shown(value)}: ")
        hints = (
            (value is None and key != "name", "Remove the field, or set it."),
            (bool(values), f"Known values: {', '.join(values)}."),
            ("expected a boolean" in problem, "Write true or false."),
            (re.search("expected a string, not an? (integer|number|boolean)", problem), "Put it in quotes."),
        )
        return problem + next((f" {hint}" for applies, hint in hints if applies), "")
    return ""


def _unlisted(key: str, value: object) -> str:
    """Why a value is refused that the specification does not list. The plan checks such values of an export."""
    documented = known_fields()[key].documented
    values = documented.values if documented else ()
    if not values or not isinstance(value, str) or value in values:
        return ""
    if key == "eval_type" and score_type(value) in values:
        return ""
    meant = difflib.get_close_matches(_plain(value), values, n=1)
    hint = f"Did you mean {meant[0]!r}? " if meant else ""
    return f"unknown value {shown(value)}. {hint}Known values: {', '.join(values)}."


def _check_scope(file: MetricsFile, entry: Entry, scope: Mapping[str, int]) -> None:
    """Refuse a metric of another agent or project."""
    if any(key in entry.fields and _wrong(key, entry.fields[key], *known_fields()[key]) for key in _SCOPE):
        return
    [(option, number)] = scope.items()
    if option == "agent_id":
        key, others = "agents" if entry.fields.get("agents") else "agent", agents_of(entry.fields)
    else:
        key, project = "project", id_of(entry.fields.get("project"))
        others = set() if project is None else {project}
    if others and number not in others:
        noun, other = option.removesuffix("_id"), ", ".join(map(str, sorted(others)))
        option = f"--{option.replace('_', '-')}"
        file.add(
            entry.values.get(key, entry.place),
            f"{key}: expected {noun} {number} of {option}, not {other}. Change the field, or the option.",
        )


def _check_names(file: MetricsFile) -> None:
    """Refuse two metrics of one name, and two references to one predefined metric."""
    for key, what in (("name", "the name"), (CODE, "the code")):
        first: dict[str, Entry] = {}
        for entry in file.entries:
            value = entry.fields.get(key)
            if not isinstance(value, str) or not value.strip() or (key == "name" and CODE in entry.fields):
                continue
            other = first.setdefault(comparable(value[:_LONGEST_NAME]), entry)
            if other is not entry:
                place = other.values.get(key)
                where = f" in line {place[0]}" if place else ""
                file.add(entry.values.get(key), f"{key}: another metric{where} has {what} {value!r}, too. Change one.")


def _why_incomplete(text: str, *, is_export: bool) -> str:
    if text and not text.endswith("\n"):
        return "it does not end with a line break"
    if is_export and not f"\n{text.rstrip()}\n".endswith(f"\n{END}"):
        return "its last line is not `...`, the end of an export"
    return ""


@functools.cache
def known_fields() -> dict[str, Known]:
    """The fields that a metric of a file can have, by their names in JSON."""
    documented = {each.key: each for each in _documented()}
    return {
        each.key: Known(each.kind, documented.get(each.key))
        for model in (GeneratedMetric, MetricCreate)
        for each in fields_of[model]
    }


def _documented() -> Iterator[Field]:
    for name in ("create_metric", "update_metric"):
        operation = _operations.find(name)
        yield from operation.fields if operation else ()


@functools.cache
def _readable() -> set[str]:
    """The fields that the service returns. Some cannot be written, but none of them is misspelled."""
    return {each.key for each in fields_of[Metric]}


def _meant(key: str) -> str | None:
    """The known field that is closest to a misspelled one."""
    names = [*known_fields(), CODE]
    plain = _plain(key)
    return plain if plain in names else next(iter(difflib.get_close_matches(plain, names, n=1, cutoff=0.75)), None)


def _plain(name: str) -> str:
    return name.strip().lower().replace("-", "_")
