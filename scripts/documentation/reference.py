"""What griffe cannot see in the sources, for the API reference: the methods as `workflow` makes them, fields of models.

A workflow is written once, as a generator in a private base of both clients. Users call a function that returns the
result, or one that is awaited.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import griffe

Arguments = Mapping[str, Any]  # what stands for each type variable
PACKAGE = "cekura_facade"
MODELS = "cekura_api.models"
UNSAID = {"additional_properties": "Fields that are not listed here."}


class Reference(griffe.Extension):
    """Shows what users call, in place of how it is written."""

    def on_package(self, *, pkg: griffe.Module, loader: griffe.GriffeLoader, **_: Any) -> None:
        """Change the classes of a package, once all of it is loaded."""
        classes = [each for each in _classes(pkg) if _public(each.name)]
        ours = [each for each in classes if _is_ours(each)]
        for each in classes:
            if each.path.startswith(f"{MODELS}."):
                _describe_fields(each)
        for each in ours:
            _take_over(each, loader)
        for each in ours:
            each.bases = list(_shown_bases(each))


def _classes(module: griffe.Module) -> Iterator[griffe.Class]:
    yield from (each for each in module.classes.values() if not each.is_alias)
    for inner in module.modules.values():
        if not inner.is_alias:
            yield from _classes(inner)


def _public(name: str) -> bool:
    return not name.startswith("_")


def _is_ours(each: griffe.Object) -> bool:
    return each.path.startswith(f"{PACKAGE}.")


def _take_over(public: griffe.Class, loader: griffe.GriffeLoader) -> None:
    """Give a class its own copy of each member that it has from a private or generic base, as it is for this class."""
    ancestors = list(_ancestors(public, {}))
    awaited = any(base.name == "Awaited" for base, _ in ancestors)
    blocking = public.parent.members.get(public.name.removeprefix("Async")) if public.parent else None
    for owner, arguments in [(public, {}), *ancestors]:
        if owner is not public and _public(owner.name) and not arguments:
            continue  # What is the same in a public base is said there.
        for name, member in list(owner.members.items()):
            if owner is not public and name in public.members:
                continue
            if isinstance(member, griffe.Function):
                seen = _as_seen(member, arguments, awaited=awaited)
                same = blocking.members.get(name) if isinstance(blocking, griffe.Class) else None
                # Its types are those of the function that it belongs to.
                seen.docstring = _docstring(seen, [member, same], loader)
                public.set_member(name, seen)
            elif isinstance(member, griffe.Attribute):
                public.set_member(name, copy.copy(member))
    public.docstring = _docstring(public, [public, *(base for base, _ in ancestors)], loader)
    constructor = public.members.get("__init__")
    described = [each.docstring.value for each in (public, constructor) if each and each.docstring]
    if constructor and not any("Args:" in each for each in described):
        public.del_member("__init__")  # Nobody but us makes one.


def _docstring(
    of: griffe.Object, candidates: Sequence[griffe.Object | griffe.Alias | None], loader: griffe.GriffeLoader
) -> griffe.Docstring | None:
    """The first docstring there is, as that of something else."""
    said = next((each.docstring.value for each in candidates if each and each.docstring), None)
    settings: Any = {"parser": loader.docstring_parser, "parser_options": loader.docstring_options}
    return griffe.Docstring(said, parent=of, **settings) if said else None


def _shown_bases(public: griffe.Class) -> Iterator[str | griffe.Expr]:
    """The bases that users may rely on: instead of one that is private, those that it has."""
    for expression, base in _bases(public):
        if base and not _public(base.name):
            yield from _shown_bases(base)
        elif not (base and base.path.startswith(f"{PACKAGE}._steps.")) and not str(expression).startswith("Generic["):
            yield expression


def _bases(child: griffe.Class) -> Iterator[tuple[str | griffe.Expr, griffe.Class | None]]:
    """The bases of a class as they are written, each with the class that it is, if that was read."""
    known = {base.path: base for base in child.resolved_bases if isinstance(base, griffe.Class)}
    for expression in child.bases:
        yield expression, known.get(expression if isinstance(expression, str) else expression.canonical_path)


def _ancestors(child: griffe.Class, arguments: Arguments) -> Iterator[tuple[griffe.Class, Arguments]]:
    """The bases of ours that a class has, nearest first, each with what stands for its type variables."""
    for expression, base in _bases(child):
        if base and _is_ours(base):
            values = [_filled_in(each, arguments) for each in _items(expression)]
            own = dict(zip(_variables(base), values, strict=False))
            yield base, own
            yield from _ancestors(base, own)


def _variables(generic: griffe.Class) -> list[str]:
    """The type variables of a class, in their order."""
    written = [each for each in generic.bases if isinstance(each, griffe.ExprSubscript)]
    written = [each for each in written if str(each.left) == "Generic"] or written
    return list(dict.fromkeys(str(item) for each in written for item in _items(each)))


def _items(expression: str | griffe.Expr) -> list[Any]:
    if not isinstance(expression, griffe.ExprSubscript):
        return []
    return list(expression.slice.elements) if isinstance(expression.slice, griffe.ExprTuple) else [expression.slice]


def _as_seen(member: griffe.Function, arguments: Arguments, *, awaited: bool) -> griffe.Function:
    seen = copy.copy(member)
    seen.labels = set(member.labels)
    seen.returns = _filled_in(_result(member.returns), arguments)
    parameters = [copy.copy(each) for each in member.parameters]
    for each in parameters:
        each.annotation = _filled_in(each.annotation, arguments)
    seen.parameters = griffe.Parameters(*parameters)
    if any(str(decorator.value) == "workflow" for decorator in member.decorators):
        seen.decorators = []
        seen.labels |= {"async"} if awaited else set()
    return seen


def _result(returns: Any) -> Any:
    """The result of a workflow: `Steps[list[Metric]]` is list[Metric] to its callers."""
    is_workflow = isinstance(returns, griffe.ExprSubscript) and str(returns.left) == "Steps"
    return returns.slice if is_workflow else returns


def _filled_in(annotation: Any, arguments: Arguments) -> Any:
    """An annotation, with what stands for each type variable, and for each alias that is not public, in it."""
    if str(annotation) == "builtins.list":
        return "list"
    if str(annotation) in arguments:
        return arguments[str(annotation)]
    if not isinstance(annotation, griffe.Expr):
        return annotation
    if (alias := _alias(annotation)) is not None:
        return _filled_in(alias, arguments)
    filled = copy.copy(annotation)
    for part in (field.name for field in dataclasses.fields(annotation) if field.name != "parent"):
        value = getattr(annotation, part)
        several = isinstance(value, list)
        setattr(
            filled, part, [_filled_in(each, arguments) for each in value] if several else _filled_in(value, arguments)
        )
    return filled


def _alias(annotation: griffe.Expr) -> griffe.Expr | None:
    """What a name stands for that users cannot see; of one that they can see, where we have it from is left out."""
    if not isinstance(annotation, griffe.ExprName | griffe.ExprAttribute):
        return None
    scope = next(each.parent for each in annotation.iterate() if isinstance(each, griffe.ExprName))
    path = annotation.canonical_path
    if not isinstance(scope, griffe.Object) or not path.startswith((f"{PACKAGE}._", f"{MODELS}.")):
        return None
    target = scope.modules_collection[path]
    value = target.value if isinstance(target, griffe.Attribute) else None
    if not isinstance(value, griffe.Expr) or isinstance(value, griffe.ExprCall):
        return None
    exported = map(str, scope.modules_collection[PACKAGE].exports or ()) if _is_ours(target) else ()
    if target.name not in exported:
        return value
    return annotation.last if isinstance(annotation, griffe.ExprAttribute) else None


def _describe_fields(model: griffe.Class) -> None:
    """List the fields of a generated model in its docstring, so that they are one table and not a heading each."""
    fields = {
        name: each
        for name, each in model.attributes.items()
        if not name.startswith("_") and "property" not in each.labels
    }
    lines = []
    for name, each in fields.items():
        each.annotation = _filled_in(each.annotation, {})
        said = each.docstring.value if each.docstring else UNSAID.get(name, name)
        lines.append(f"    {name}: {' '.join(said.split())}")
    about = model.docstring.value if model.docstring else ""
    model.docstring = griffe.Docstring("\n".join([about, "", "Attributes:", *lines]), parent=model)
    for each in fields.values():
        each.docstring = None
