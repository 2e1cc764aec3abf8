"""Python names for published names: safe in generated code, unique, and independent of their order.

The names that are not available are read from the templates, so that a new template needs no list.
"""

from __future__ import annotations

import ast
import itertools
import re
import unicodedata
from collections.abc import Hashable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from openapi_python_client import strings

from .documents import METHODS, Document, Schema, operations, resolve
from .errors import RegenerationError

K = TypeVar("K", bound=Hashable)

TEMPLATES = Path(__file__).parent / "templates"
FIELD_NAMES, ARGUMENT_NAMES = "x-python-names", "x-argument-names"
FIELD_PREFIX = "field_"
PLACES = ("path", "query", "header", "cookie")
# The imports of types that only some modules need. `{}` is replaced with the dots of a relative import.
IMPORTS = {
    "Any": "from typing import Any",
    "Mapping": "from collections.abc import Mapping",
    "File": "from {}types import File",
    "UUID": "from uuid import UUID",
    "datetime": "import datetime",
}
COLLECTIONS = ("AsyncIterator", "Iterator", "Mapping")
_LONGEST = 80  # A longer name is cut.


@cache
def names_in(*templates: str) -> frozenset[str]:
    """Every name in the Python code of some templates, except for attributes, keyword arguments and strings."""
    found: set[str] = set()
    for template in templates:
        text = (TEMPLATES / template).read_text("utf-8")
        text = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", "", text, flags=re.DOTALL)
        text = re.sub(r'""".*?"""', "", text, flags=re.DOTALL)
        text = re.sub(r'"[^"\n]*"|#.*', "", text)
        text = re.sub(r"^\s*from (__future__ import.*|[.\w]+ import)", "", text, flags=re.MULTILINE)
        found |= set(re.findall(r"(?<![.\w])[A-Za-z_]\w*\b(?!=)", text))
    return frozenset(found)


@cache
def taken_by_models() -> frozenset[str]:
    """Names that a field must not have: members of the base class of models, and names in their modules."""
    source = re.sub(r"\{#.*?#\}", "", (TEMPLATES / "base_model.py.jinja").read_text("utf-8"), flags=re.DOTALL)
    (base,) = (each for each in ast.parse(source).body if isinstance(each, ast.ClassDef) and each.name == "Model")
    members = {each.name for each in base.body if isinstance(each, ast.FunctionDef)}
    members |= {ast.unparse(each.target) for each in base.body if isinstance(each, ast.AnnAssign)}
    return names_in("model.py.jinja") | IMPORTS.keys() | members


@cache
def taken_by_functions() -> frozenset[str]:
    """Names that a parameter must not have, because the functions and methods of operations use them."""
    return names_in("endpoint_module.py.jinja", "endpoint_init.py.jinja") | IMPORTS.keys() | {"self", "body"}


@cache
def taken_by_classes() -> frozenset[str]:
    """Names that a class must not have: names in modules that import it, and that of the module `known_values`."""
    templates = ("model", "models_init", "known_values", "endpoint_module", "endpoint_init", "api_init")
    used = names_in(*(f"{name}.py.jinja" for name in templates)) | IMPORTS.keys() | set(COLLECTIONS)
    prefixes = {f"{prefix}{name}" for prefix in ("", "Async") for name in ("API", "Transport")}
    return frozenset({name for name in used if name[0].isupper()} | prefixes | {"datetime", "known_values"})


@cache
def identifier(published: str) -> str:
    """A published name in snake case and ASCII. Different names may give the same result, which `unique` resolves."""
    plain = unicodedata.normalize("NFKD", published).encode("ascii", "ignore").decode()
    return str(strings.PythonIdentifier(plain[:_LONGEST], FIELD_PREFIX))


def unique(wanted: Mapping[K, str], taken: Iterable[str], published: Mapping[K, str]) -> dict[K, str]:
    """A unique name for each key: the wanted name, with an underscore if it is taken.

    If several keys want the same name, the one with this published name gets it. The others get exactly their published
    names if possible, such as `agent__id` next to `agent_id`, or a number.
    """
    reserved = set(taken)
    groups: dict[str, list[K]] = {}
    for key in sorted(wanted, key=lambda key: (not _is_like(published[key], wanted[key]), published[key], str(key))):
        name = wanted[key]
        while name in reserved:
            name += "_"
        groups.setdefault(name, []).append(key)
    reserved |= groups.keys()
    result = {keys[0]: name for name, keys in groups.items()}
    for name, keys in sorted(groups.items()):
        numbered = map(f"{name.rstrip('_')}_{{}}".format, itertools.count(2))
        for key in keys[1:]:
            own = [published[key]] if _is_usable(published[key]) else []
            result[key] = next(each for each in itertools.chain(own, numbered) if each not in reserved)
            reserved.add(result[key])
    return result


def _is_usable(published: str) -> bool:
    is_name = re.fullmatch(r"[a-z][a-z0-9_]*", published) is not None and len(published) <= _LONGEST
    return is_name and str(strings.fix_reserved_words(published)) == published


def _is_like(published: str, wanted: str) -> bool:
    """Whether the published name is the wanted one, apart from the underscore after a reserved word."""
    return published in (wanted, wanted.removesuffix("_")) and not published.endswith("_")


def field_names(document: Document, schema: Schema) -> dict[str, str]:
    """The name in Python of each property of an object."""
    names = {name: name for name in properties(document, schema)}
    return unique({name: identifier(name) for name in names}, taken_by_models(), names)


def properties(document: Document, schema: Schema, above: tuple[str, ...] = ()) -> Iterator[str]:
    """The names of the properties of an object, including those of its `allOf` members."""
    yield from schema.get("properties", {})
    for member in schema.get("allOf", []):
        reference = member.get("$ref")
        if reference is None:
            yield from properties(document, member, above)
        elif reference not in above:
            yield from properties(document, resolve(document, reference), (*above, reference))


def argument_names(document: Document, path: str, operation: dict[str, Any]) -> dict[tuple[str, str], str]:
    """The name in Python of each parameter of an operation, by its place and published name."""
    renamed: dict[str, str] = operation.get("x-parameter-names", {})
    declared = [*operation.get("parameters", []), *document["paths"][path].get("parameters", [])]
    published = {(str(each.get("in")), str(each.get("name"))): str(each.get("name")) for each in declared}
    taken = taken_by_functions() | {str(operation["operationId"])}
    wanted = {key: renamed.get(name) or identifier(name) for key, name in published.items()}
    places: dict[str, set[str]] = {}
    for (place, _), name in wanted.items():
        places.setdefault(name, set()).add(place)
    # If a name is taken or used in two places, it gets the place as a suffix.
    clearer = {
        key: f"{name.rstrip('_')}_{key[0]}" if len(places[name]) > 1 or name in taken else name
        for key, name in wanted.items()
    }
    return unique(clearer, taken, published)


def name_in_python(document: Document) -> int:
    """Set every Python name that is not the published one in snake case. Returns the number of names."""
    fired = 0
    for schema in document.get("components", {}).get("schemas", {}).values():
        names = field_names(document, schema)
        if other := {key: name for key, name in sorted(names.items()) if name != identifier(key)}:
            schema[FIELD_NAMES] = other
            fired += len(other)
    for _, path, operation in operations(document):
        renamed = operation.get("x-parameter-names", {})
        for (place, key), name in sorted(argument_names(document, path, operation).items()):
            if name != (renamed.get(key) or identifier(key)):
                operation.setdefault(ARGUMENT_NAMES, {}).setdefault(place, {})[key] = name
                fired += 1
    return fired


def name_placeholders(document: Document) -> int:
    """Give path parameters plain names, which are not sent. Validators misread `{a:b}` and `{a[b]}`."""
    paths: dict[str, Any] = {}
    fired = 0
    for path, item in document["paths"].items():
        holders = [item, *(item[method] for method in METHODS if isinstance(item.get(method), dict))]
        declared = [each for holder in holders for each in holder.get("parameters", []) if each.get("in") == "path"]
        published = {str(each["name"]): str(each["name"]) for each in declared}
        plain = {name for name in published if re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII)}
        names = unique({name: identifier(name) for name in published.keys() - plain}, plain, published)
        renamed = "".join(
            f"{{{names.get(piece[1:-1], piece[1:-1])}}}" if piece.startswith("{") else piece
            for piece in re.split(r"(\{[^{}]*\})", path)
        )
        if renamed != path and renamed in document["paths"]:
            raise RegenerationError(f"The paths {path!r:.200} and {renamed!r:.200} differ only in parameters.")
        for parameter in declared:
            parameter["name"] = names.get(parameter["name"], parameter["name"])
        paths[renamed] = item
        fired += len(names)
    document["paths"] = paths
    return fired
