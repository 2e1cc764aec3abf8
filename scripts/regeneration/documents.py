"""Reads, writes and walks through OpenAPI documents."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from cekura_facade.cli._yaml import BrokenText, Dumper, Loader, check, compose, integer, unique, value_of

from .errors import RegenerationError
from .escaping import as_escape, is_hidden
from .fetch import read, shown

Document = dict[str, Any]
Schema = dict[str, Any]

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
SCHEMA_PREFIX = "#/components/schemas/"
JSON = "application/json"
_COMPONENTS = ("schemas", "parameters", "requestBodies", "responses", "securitySchemes")
_HALF_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
SCHEMA_KEYWORDS = {"type", "properties", "required", "items", "$ref", "allOf", "anyOf", "oneOf"}
_VALUES = {"const", "enum", "example", "examples"}  # keywords whose values are not schemas


class _Loader(yaml.CSafeLoader):
    """The loader of the command line, but with the C parser, because a published document is large."""

    yaml_implicit_resolvers = Loader.yaml_implicit_resolvers


class _Dumper(yaml.CSafeDumper):
    """The dumper of the command line, but with the C emitter. It quotes the same values."""

    yaml_implicit_resolvers = Dumper.yaml_implicit_resolvers

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML names the parameter.
        return True


def _represented(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    """A string. Escapes are possible only in double quotes."""
    style = '"' if not text.isascii() and any(map(is_hidden, text)) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represented)


def parse(text: str, source: str) -> Document:
    """Parse JSON or YAML, with any file name. Errors name the `source`."""
    if not text.strip():
        raise RegenerationError(f"{source} is empty. Pass the file of a specification.")
    if text.lstrip()[:1] == "<":
        raise RegenerationError(f"{source} is an HTML or XML page, not a specification. Read the page to see why.")
    try:
        document = _tree(text)
    except BrokenText as error:
        raise RegenerationError(f"{source} cannot be read as JSON or YAML: {_one_line(error)}") from None
    if not isinstance(document, dict):
        raise RegenerationError(f"{source} is not a JSON object, so it is not an OpenAPI document.")
    return document


def _tree(text: str) -> object:
    """The value of a string of JSON or YAML. Raises BrokenText, with the line or place."""
    problem: BrokenText | None = None
    is_json = text.lstrip()[:1] in "{["
    try:
        # JSON comes first, because documents are published as JSON, and its parser is much faster.
        document = json.loads(text, object_pairs_hook=unique, parse_int=integer)
        check(document)
    except json.JSONDecodeError as error:
        if is_json:
            problem = BrokenText(f"{error.msg}. Is the file cut short?", error.lineno, error.colno)
    except BrokenText as error:
        problem = error
    except (ValueError, RecursionError):
        pass
    else:
        # Like other JSON parsers, this replaces halves of surrogate pairs, which cannot be sent or written.
        return _whole_characters(document) if _HALF_ESCAPE.search(text) else document
    try:
        # Its errors have a line, for JSON as well.
        node = compose(text, _Loader)
        document = None if node is None else value_of(node)
    except BrokenText as error:
        raise (problem if problem is not None and problem.line else error) from None
    if problem is not None and not problem.line:
        raise problem
    return document


def _whole_characters(value: object) -> object:
    if isinstance(value, dict):
        return unique([(_whole(name), _whole_characters(each)) for name, each in value.items()])
    if isinstance(value, list):
        return [_whole_characters(each) for each in value]
    return _whole(value) if isinstance(value, str) else value


def _whole(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _one_line(error: BrokenText) -> str:
    return " ".join(str(error).split())


def load(source: str | Path) -> Document:
    """Read a document from a path or an http(s) URL."""
    name = shown(source)
    data = read(source)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise RegenerationError(f"{name} is UTF-16 or UTF-32 text. Save it as UTF-8.")
    try:
        return parse(data.decode("utf-8-sig"), name)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise RegenerationError(f"{name}, line {line}: this is not UTF-8 text, so it is not a specification.") from None


def load_specification(source: str | Path) -> Document:
    """Read a document, and check that it is an OpenAPI 3 document with paths."""
    document, name = load(source), shown(source)
    version = document.get("openapi")
    if not (isinstance(version, str) and version.startswith("3.")):
        raise RegenerationError(f"{name} is not an OpenAPI 3 document: it has no `openapi: 3.x` field.")
    if not (isinstance(document.get("paths"), dict) and document["paths"]):
        raise RegenerationError(f"{name} is an OpenAPI document without paths, so there is no operation to generate.")
    _check_components(document, name)
    return document


def _check_components(document: Document, name: str) -> None:
    """Remove components that are null. Raise RegenerationError if a group of components is not an object."""
    places = [("components", document), *((kind, document.get("components")) for kind in _COMPONENTS)]
    for key, holder in places:
        if not isinstance(holder, dict):
            continue
        if holder.get(key) is None:
            holder.pop(key, None)
        elif not isinstance(holder[key], dict):
            place = key if holder is document else f"components.{key}"
            raise RegenerationError(f"{name}: {place} is not an object. Use another version, or correct a copy of it.")


def dump(document: Document, heading: str = "") -> str:
    """Format YAML with a heading of comment lines. Equal documents give equal text, without hidden characters."""
    text = str(yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110))
    if not text.isascii():
        text = "".join(as_escape(each) if is_hidden(each) else each for each in text)
    return "".join(f"# {line}\n" for line in heading.splitlines()) + text


def operations(document: Document) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Each (method, path, operation) of a document, in its order."""
    for path, item in document.get("paths", {}).items():
        for method in METHODS:
            if isinstance(item, dict) and isinstance(item.get(method), dict):
                yield method, path, item[method]


def reachable(document: Document, node: object) -> set[str]:
    """Every `$ref` in or below a node, and in or below the schemas that these refer to."""
    schemas = document.get("components", {}).get("schemas", {})
    found: set[str] = set()
    todo = list(references(node))
    while todo:
        if (reference := todo.pop()) not in found:
            found.add(reference)
            todo.extend(references(schemas.get(reference.removeprefix(SCHEMA_PREFIX))))
    return found


def references(node: object, *, names: bool = False) -> Iterator[str]:
    """Every `$ref` in or below a node. `names` says that its keys are names of properties, not keywords."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref" and isinstance(value, str):
                yield value
            elif names or not (key in _VALUES or str(key).startswith("x-")):
                yield from references(value, names=key == "properties" and not names)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def resolve(document: Document, reference: str) -> Any:
    """The target of a local `$ref`."""
    node: Any = document
    for part in reference.removeprefix("#/").split("/"):
        key = part.replace("~1", "/").replace("~0", "~")
        if not reference.startswith("#/") or not isinstance(node, dict) or key not in node:
            raise RegenerationError(f"`$ref: {reference}` has no target in this document. Use a later version.")
        node = node[key]
    return node


def subschemas(schema: Schema) -> Iterator[Schema]:
    """The schemas directly below a schema: its properties, items, additional properties and alternatives."""
    properties = schema.get("properties")
    if isinstance(properties, dict):
        yield from (value for value in properties.values() if isinstance(value, dict))
    for key in ("items", "additionalProperties", "not"):
        if isinstance(schema.get(key), dict):
            yield schema[key]
    for key in ("allOf", "anyOf", "oneOf", "prefixItems"):
        if isinstance(schema.get(key), list):
            yield from (value for value in schema[key] if isinstance(value, dict))


def walk(schema: Schema) -> Iterator[Schema]:
    """A schema and every schema below it, without following references."""
    yield schema
    for child in subschemas(schema):
        yield from walk(child)


def body_schemas(operation: dict[str, Any], *, direction: str) -> Iterator[tuple[dict[str, Any], str]]:
    """The media type objects of an operation's request, or of its successes, each with its media type."""
    if direction == "request":
        bodies = [operation.get("requestBody")]
    else:
        bodies = [body for status, body in (operation.get("responses") or {}).items() if is_success(status)]
    for body in bodies:
        if isinstance(body, dict) and isinstance(body.get("content"), dict):
            for media_type, content in body["content"].items():
                if isinstance(content, dict):
                    yield content, media_type


def all_schemas(document: Document) -> list[Schema]:
    """Every schema of the document, in components, bodies and parameters, with the schemas below them."""
    roots: list[Any] = list(document.get("components", {}).get("schemas", {}).values())
    for _, path, operation in operations(document):
        for holder in (operation, document["paths"][path]):
            roots += [p.get("schema") for p in holder.get("parameters") or [] if isinstance(p, dict)]
        for direction in ("request", "response"):
            roots += [content.get("schema") for content, _ in body_schemas(operation, direction=direction)]
    found = {id(schema): schema for root in roots if isinstance(root, dict) for schema in walk(root)}
    return list(found.values())


def is_success(status: object) -> bool:
    """Whether the key of a response, such as 201 or `2XX`, means success."""
    return str(status).startswith("2")
