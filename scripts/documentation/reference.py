"""Prepares the sources for the API reference: types that griffe does not infer, and the fields of models as tables."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any

import griffe

PACKAGES = ("cekura_facade.", "cekura_api.")
MODELS = "cekura_api.models."
GENERATED = "generated"  # the key of `extra` that marks copies of generated members
BASE_FIELDS = {"additional_properties": "Fields that are not listed here."}


class Reference(griffe.Extension):
    """Completes the public classes of a package."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Called by griffe when it has loaded a package."""
        classes = list(_classes(pkg))
        for each in classes:
            if each.path.startswith(MODELS):
                _describe_fields(each)
            else:
                _complete(each)
        for each in classes:
            each.bases = list(_public_bases(each))
        known = {each.path: each for each in classes}
        for each in classes:
            blocking = known.get(each.path.replace("._async_", "._sync_").replace(".Async", "."))
            if blocking is not None and blocking is not each:
                _compare(each, blocking)


def _classes(module: griffe.Module) -> Iterator[griffe.Class]:
    yield from (each for each in module.classes.values() if not each.is_alias)
    for inner in module.modules.values():
        if not inner.is_alias:
            yield from _classes(inner)


def _complete(public: griffe.Class) -> None:
    """Give a class the types of its attributes, and copies of the members that it has from an incomplete base."""
    for function in public.functions.values():
        _fill_in(function, {})
    _infer_attributes(public)
    constructor = public.members.get("__init__")
    described = [each.docstring.value for each in (public, constructor) if each and each.docstring]
    if constructor and not any("Args:" in each for each in described):
        public.del_member("__init__")  # Users do not create objects of this class themselves.
    for base, arguments in list(_incomplete_bases(public)):
        for name, member in base.members.items():
            if name in public.members or name.startswith("_"):
                continue
            if isinstance(member, griffe.Function | griffe.Attribute):
                own = copy.copy(member)
                own.extra = {GENERATED: {}} if base.path.startswith(PACKAGES[1]) else {}
                own.docstring = copy.copy(member.docstring)
                if own.docstring:
                    own.docstring.parent = own  # The tables of a docstring have the types of its parent.
                if isinstance(own, griffe.Function):
                    own.labels, own.parameters = set(own.labels), griffe.Parameters(*map(copy.copy, own.parameters))
                    _fill_in(own, arguments)
                public.set_member(name, own)


def _infer_attributes(public: griffe.Class) -> None:
    """Take the type of an attribute from the argument of the constructor that it is set to."""
    constructor = public.members.get("__init__")
    parameters = constructor.parameters if isinstance(constructor, griffe.Function) else griffe.Parameters()
    for attribute in public.attributes.values():
        if attribute.annotation is None and str(attribute.value) in parameters:
            attribute.annotation = parameters[str(attribute.value)].annotation


def _incomplete_bases(public: griffe.Class) -> Iterator[tuple[griffe.Class, dict[str, Any]]]:
    """The bases whose members differ in a class, or that are hidden, each with the values of its type variables."""
    for expression, base in _bases(public):
        if base and base.path.startswith(PACKAGES):
            variables = [item for each in base.bases for item in _items(each)]
            arguments = dict(zip(map(str, variables), _items(expression), strict=False))
            if arguments or _is_hidden(base, expression):
                yield base, arguments


def _public_bases(public: griffe.Class) -> Iterator[str | griffe.Expr]:
    """The bases without `Generic`. In place of a hidden base, its own bases."""
    for expression, base in _bases(public):
        if base and _is_hidden(base, expression):
            yield from _public_bases(base)
        elif not str(expression).startswith("Generic["):
            yield expression


def _is_hidden(base: griffe.Class, expression: str | griffe.Expr) -> bool:
    """Whether a base is private, or a class inherits from it under another name than users know."""
    return base.name.startswith("_") or str(expression).partition("[")[0] not in (base.name, base.path)


def _bases(public: griffe.Class) -> Iterator[tuple[str | griffe.Expr, griffe.Class | None]]:
    """The bases of a class as they are written, each with its class if griffe has loaded it."""
    known = {base.path: base for base in public.resolved_bases if isinstance(base, griffe.Class)}
    for expression in public.bases:
        yield expression, known.get(expression if isinstance(expression, str) else expression.canonical_path)


def _items(expression: str | griffe.Expr) -> list[Any]:
    """What a generic type is subscripted with."""
    if not isinstance(expression, griffe.ExprSubscript):
        return []
    return list(expression.slice.elements) if isinstance(expression.slice, griffe.ExprTuple) else [expression.slice]


def _fill_in(function: griffe.Function, arguments: Mapping[str, Any]) -> None:
    function.returns = _filled_in(function.returns, arguments)
    for parameter in function.parameters:
        parameter.annotation = _filled_in(parameter.annotation, arguments)


def _filled_in(part: Any, arguments: Mapping[str, Any]) -> Any:
    """An annotation with the values of its type variables. `builtins.list` becomes `list`."""
    if isinstance(part, list):
        return [_filled_in(each, arguments) for each in part]
    if not isinstance(part, griffe.Expr):
        return part
    if str(part) == "builtins.list":
        return "list"
    if str(part) in arguments:
        return arguments[str(part)]
    filled = copy.copy(part)
    for name in (field.name for field in dataclasses.fields(part) if field.name != "parent"):
        setattr(filled, name, _filled_in(getattr(part, name), arguments))
    return filled


def _describe_fields(model: griffe.Class) -> None:
    """List the fields of a model in its docstring, because a table is easier to read than a heading for each."""
    lines = []
    for name, each in model.attributes.items():
        if not name.startswith("_") and "property" not in each.labels:
            text = each.docstring.value if each.docstring else BASE_FIELDS.get(name, name)
            lines.append(f"    {name}: {' '.join(text.split())}")
            each.docstring = None
    about = model.docstring.value if model.docstring else ""
    model.docstring = griffe.Docstring("\n".join([about, "", "Attributes:", *lines]), parent=model)


def _compare(public: griffe.Class, blocking: griffe.Class) -> None:
    """Describe an asynchronous class by how its members differ from those of the blocking one.

    The reference shows the members of the blocking class only. Each member of the other one is a row of a table, where
    links to it lead.
    """
    lines = ["| member | used with | result | described at |", "|---|---|---|---|"]
    for name, found in public.all_members.items():
        member = found.final_target if isinstance(found, griffe.Alias) else found
        if name.startswith("_") or not isinstance(member, griffe.Function | griffe.Attribute):
            continue
        other = name if name in blocking.all_members else name.removeprefix("a")
        # An attribute without a docstring is described in that of its class.
        shown = f"{blocking.name}.{other}" if blocking.all_members[other].docstring else blocking.name
        anchor = f'<a id="cekura_facade.{public.name}.{name}"></a>'
        result = str(member.returns if isinstance(member, griffe.Function) else member.annotation).replace("|", r"\|")
        links = f"[`{shown}`][cekura_facade.{shown}]"
        lines.append(f"| {anchor}`{name}` | {_keyword(member, result)} | `{result}` | {links} |")
    about = inspect.cleandoc(public.docstring.value if public.docstring else "")
    summary = re.split(r"\n\n(?:Args|Attributes|Raises|Returns):\n", about)[0]
    same = f"The arguments, results and errors are those of [`{blocking.name}`][cekura_facade.{blocking.name}]."
    public.docstring = griffe.Docstring("\n".join([summary, "", same, "", *lines]), parent=public)


def _keyword(member: griffe.Function | griffe.Attribute, result: str) -> str:
    """What to write before a member of an asynchronous class."""
    if "async" in member.labels:
        return "`await`"
    return "`async for`" if result.startswith("AsyncIterator") else ""
