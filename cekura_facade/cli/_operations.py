"""Reads the names, parameters, types and texts of the operations from the generated sources.

The sources are parsed instead of imported, because importing the client is too slow for the help.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_LARGE = 10**9  # A larger maximum is just the limit of the type.


@dataclass(frozen=True)
class Field:
    """A parameter of an operation, or a field of its body.

    Attributes:
        name: Its name in Python.
        kind: Its type, as written in the source.
        is_required: Whether it must be passed.
        text: Its description.
        limits: Its limits, such as `minimum`.
        values: The values that the specification lists.
        key: Its name in the body. Empty for a parameter.
    """

    name: str
    kind: str
    is_required: bool
    text: str
    limits: Mapping[str, float]
    values: tuple[str, ...]
    key: str = ""

    @property
    def is_list(self) -> bool:
        """Whether its value is a list."""
        return self.kind.startswith("list[")

    @property
    def help(self) -> str:
        """Its description, with the known values and the limits."""
        parts = [self.text] if self.text else []
        if self.values:
            parts.append(f"Known values: {', '.join(value or '(empty)' for value in self.values)}.")
        if (limits := _limits(self.limits)) and not re.search(rf"\b{re.escape(limits)}\b", self.text):
            parts.append(f"{limits}.")
        if self.is_list:
            parts.append("Repeat it for several.")
        if self.is_required:
            parts.append("Required.")
        return " ".join(parts)

    @property
    def metavar(self) -> str:
        """The placeholder for its value in the help."""
        kinds = re.findall(r"\w+", self.kind.removeprefix("list"))
        for name, metavar in (("int", "NUMBER"), ("float", "NUMBER"), ("bool", "true|false"), ("File", "@FILE")):
            if name in kinds:
                return "ID" if metavar == "NUMBER" and re.search(r"(^|_)ids?$", self.name) else metavar
        return "VALUE" if self.values else "TEXT" if "str" in kinds else "JSON"


@dataclass(frozen=True)
class Operation:
    """An operation of the API.

    Attributes:
        name: Its name.
        tag: The resource that it belongs to.
        method: The HTTP method.
        path: The path, with the names of its parameters.
        summary: A short summary of what it does.
        description: The full description. May be empty.
        fields: Its parameters, and the fields of its body if that is an object.
        has_body: Whether it has a body.
    """

    name: str
    tag: str
    method: str
    path: str
    summary: str
    description: str
    fields: tuple[Field, ...]
    has_body: bool


def names() -> list[str]:
    """The names of all operations, in alphabetical order."""
    return sorted(_modules())


def find(name: str) -> Operation | None:
    """An operation by its name. None if the client was generated without it."""
    path = _modules().get(name.replace("-", "_"))
    return None if path is None else _read(path)


def everything() -> Iterator[Operation]:
    """All operations, in alphabetical order."""
    return (_read(path) for _, path in sorted(_modules().items()))


def _package() -> Path:
    spec = importlib.util.find_spec("cekura_api")
    return Path((spec and spec.origin) or "").parent


@functools.cache
def _modules() -> dict[str, Path]:
    return {path.stem: path for path in (_package() / "api").glob("*/*.py") if path.stem != "__init__"}


@functools.cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def _read(path: Path) -> Operation:
    module = _parsed(path)
    functions = {node.name: node for node in module.body if isinstance(node, ast.FunctionDef)}
    build, documented = functions["build_request"], ast.get_docstring(functions["sync"]) or ""
    call = re.search(r"`(\w+) (\S+)`", ast.get_docstring(module) or "")
    method, url = call.groups() if call else ("", "")
    texts = dict(re.findall(r"^ {4}(\w+): ((?:.+\n?)(?: {8}.+\n?)*)", documented, re.MULTILINE))
    head, *others = documented.split("\n\n")
    description = others[0] if others and not others[0].startswith(("Args:", "Returns:")) else ""
    limits = _checked(build)
    fields: list[Field] = []
    for argument, default in _arguments(build):
        if argument.arg != "body":
            kind, values = _kind(argument.annotation)
            text = " ".join(texts.get(argument.arg, "").split())
            required = default is None
            fields.append(Field(argument.arg, kind, required, text, limits.get(argument.arg, {}), values))
    body = next((argument for argument, _ in _arguments(build) if argument.arg == "body"), None)
    if body is not None:
        fields += _body_fields(module, body)
    summary = head.strip().rstrip(".")
    flat = " ".join(description.split())
    return Operation(path.stem, path.parent.name, method, url, summary, flat, tuple(fields), body is not None)


def _arguments(function: ast.FunctionDef) -> Iterator[tuple[ast.arg, ast.expr | None]]:
    given = function.args
    missing: list[ast.expr | None] = [None] * (len(given.args) - len(given.defaults))
    yield from zip(given.args, [*missing, *given.defaults], strict=True)
    yield from zip(given.kwonlyargs, given.kw_defaults, strict=True)


def _checked(function: ast.FunctionDef) -> dict[str, dict[str, float]]:
    """The limits that `build_request` checks, by the name of the argument."""
    found: dict[str, dict[str, float]] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "check":
            name = ast.literal_eval(node.args[0])
            found[name] = {each.arg: ast.literal_eval(each.value) for each in node.keywords if each.arg}
    return found


def _body_fields(module: ast.Module, body: ast.arg) -> list[Field]:
    """The fields of a body that is an object. Empty for a list, a file or any JSON."""
    imported = {
        alias.name: _package() / "models" / f"{node.module.rpartition('.')[2]}.py"
        for node in module.body
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("models.")
        for alias in node.names
    }
    name = (ast.unparse(body.annotation) if body.annotation else "").partition(" |")[0]
    if name not in imported:
        return []
    nodes = next(
        node.body for node in _parsed(imported[name]).body if isinstance(node, ast.ClassDef) and node.name == name
    )
    declared = {
        node.target.id: (node, after)
        for node, after in zip(nodes, [*nodes[1:], None], strict=True)
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    keys, limits = (
        ast.literal_eval(declared.pop(each)[0].value or "{}") if each in declared else {}
        for each in ("_names", "_limits")
    )
    fields = []
    for each, (node, after) in declared.items():
        text = after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else ""
        key = keys.get(each, each)
        kind, values = _kind(node.annotation)
        described = " ".join(str(text).split())
        fields.append(Field(each, kind, node.value is None, described, limits.get(key, {}), values, key))
    return fields


def _kind(annotation: ast.expr | None) -> tuple[str, tuple[str, ...]]:
    """A type without `Unset`, and the values that the specification lists for it."""
    source = "object" if annotation is None else ast.unparse(annotation)
    kinds = [kind for kind in source.split(" | ") if kind != "Unset"]
    values = tuple(value for name in re.findall(r"\w+", source) for value in _known_values().get(name, ()))
    return " | ".join(kinds), values


@functools.cache
def _known_values() -> dict[str, list[str]]:
    file = _package() / "models" / "known_values.py"
    found: dict[str, list[str]] = {}
    for node in _parsed(file).body if file.is_file() else ():
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            strings = [each.value for each in ast.walk(node.value) if isinstance(each, ast.Constant)]
            found[node.targets[0].id] = [value for value in strings if isinstance(value, str)]
    return found


def _limits(limits: Mapping[str, float]) -> str:
    for low, high, unit in (
        ("minimum", "maximum", ""),
        ("minLength", "maxLength", " characters"),
        ("minItems", "maxItems", " values"),
    ):
        lowest, highest = limits.get(low), limits.get(high)
        if highest is not None and highest > _LARGE:
            highest = None
        if lowest is not None and highest is not None:
            return f"{lowest} to {highest}{unit}"
        if highest is not None:
            return f"At most {highest}{unit}"
        if lowest is not None and unit:
            return f"At least {lowest} {unit.strip().rstrip('s') if lowest == 1 else unit.strip()}"
        if lowest is not None:
            return f"{lowest} or more"
    return ""
