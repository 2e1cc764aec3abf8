"""What griffe cannot see in the sources, for the API reference: the methods as `workflow` makes them, fields of models.

A workflow is written once, as a generator in a private base of both clients. Users call a function that returns the
result, or one that is awaited.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import griffe

PACKAGE = "cekura_facade"
MODELS = "generated_client.models"
UNSAID = {"additional_properties": "Fields that are not listed here."}


class Reference(griffe.Extension):
    """Shows what users call, in place of how it is written."""

    def on_package(self, *, pkg: griffe.Module, loader: griffe.GriffeLoader, **kwargs: Any) -> None:
        """Change the classes of a package, once all of it is loaded."""
        classes = [
            each
            for module in _modules(pkg)
            for each in module.classes.values()
            if not each.is_alias and _public(each.name)
        ]
        for each in classes:
            if each.path.startswith(f"{MODELS}."):
                _describe_fields(each)
            elif each.path.startswith(f"{PACKAGE}."):
                _take_over(each, loader)
        for each in classes:
            if each.path.startswith(f"{PACKAGE}."):
                each.bases = list(_shown_bases(each))


def _modules(module: griffe.Module) -> Iterator[griffe.Module]:
    yield module
    for each in module.modules.values():
        if not each.is_alias:
            yield from _modules(each)


def _public(name: str) -> bool:
    return not name.startswith("_")


def _take_over(public: griffe.Class, loader: griffe.GriffeLoader) -> None:
    """Give a class its own copy of each member that a private base has, as it is for this class."""
    ancestors = public.mro()
    awaited = any(base.name == "Awaited" for base in ancestors)
    for owner in [public, *ancestors]:
        if owner is not public and _public(owner.name):
            break  # What a public base has is said there.
        arguments = _arguments(public, owner)
        for name, member in list(owner.members.items()):
            if owner is not public and name in public.members:
                continue
            if isinstance(member, griffe.Function):
                public.set_member(name, _as_seen(member, arguments, loader, awaited=awaited))
            elif isinstance(member, griffe.Attribute):
                public.set_member(name, copy.copy(member))
    constructor = public.members.get("__init__")
    described = [each.docstring.value for each in (public, constructor) if each and each.docstring]
    if constructor and not any("Args:" in each for each in described):
        public.del_member("__init__")  # Nobody but us makes one.


def _shown_bases(public: griffe.Class) -> Iterator[str | griffe.Expr]:
    """The bases that users may rely on: instead of one that is private, those that it has."""
    known = {base.path: base for base in public.resolved_bases if isinstance(base, griffe.Class)}
    for expression in public.bases:
        base = known.get(expression if isinstance(expression, str) else expression.canonical_path)
        if base and not _public(base.name):
            yield from _shown_bases(base)
        elif not (base and base.path.startswith(f"{PACKAGE}._steps.")) and not str(expression).startswith("Generic["):
            yield expression


def _as_seen(
    member: griffe.Function, arguments: Mapping[str, Any], loader: griffe.GriffeLoader, *, awaited: bool
) -> griffe.Function:
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
    if member.docstring:
        # Its types are those of the function that it belongs to.
        seen.docstring = griffe.Docstring(
            member.docstring.value, parent=seen, parser=loader.docstring_parser, parser_options=loader.docstring_options
        )
    return seen


def _result(returns: Any) -> Any:
    """The result of a workflow: `Steps[list[Metric]]` is list[Metric] to its callers."""
    is_workflow = isinstance(returns, griffe.ExprSubscript) and str(returns.left) == "Steps"
    return returns.slice if is_workflow else returns


def _arguments(public: griffe.Class, owner: griffe.Class) -> dict[str, Any]:
    """What stands for each type variable of a generic base: `class Metrics(_Metrics[GenerationJob, Outcomes])`."""
    variables = next((_items(each) for each in owner.bases if str(each).startswith("Generic[")), [])
    values = next((_items(each) for each in public.bases if str(each).startswith(f"{owner.name}[")), [])
    given = {str(name): value for name, value in zip(variables, values, strict=bool(values))}
    return {"builtins.list": "list", **given}


def _items(expression: str | griffe.Expr) -> list[Any]:
    inner = expression.slice if isinstance(expression, griffe.ExprSubscript) else None
    return list(inner.elements) if isinstance(inner, griffe.ExprTuple) else [inner]


def _filled_in(annotation: Any, arguments: Mapping[str, Any]) -> Any:
    """An annotation, with what stands for each type variable, and for each alias of ours, in it."""
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
    """What a name of ours such as `Review` stands for, which users cannot see."""
    if not isinstance(annotation, griffe.ExprName | griffe.ExprAttribute):
        return None
    scope = next(each.parent for each in annotation.iterate() if isinstance(each, griffe.ExprName))
    path = annotation.canonical_path
    if not isinstance(scope, griffe.Object) or not path.startswith((f"{PACKAGE}._", f"{MODELS}.")):
        return None
    target = scope.modules_collection[path]
    value = target.value if isinstance(target, griffe.Attribute) else None
    return value if isinstance(value, griffe.Expr) and not isinstance(value, griffe.ExprCall) else None


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
