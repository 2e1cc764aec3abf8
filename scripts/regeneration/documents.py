"""Reading and writing OpenAPI documents, and walking through them."""

from __future__ import annotations

import json
import lzma
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import yaml

from cekura_facade.cli._yaml import Dumper, Loader, value_of

from .errors import RegenerationError

Document = dict[str, Any]
Schema = dict[str, Any]

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
SCHEMA_PREFIX = "#/components/schemas/"
JSON = "application/json"
_PATIENCE = 120.0  # seconds, for the whole of a document from a URL
_XZ = b"\xfd7zXZ\x00"
_VALUES = {"const", "enum", "example", "examples"}  # keywords whose values are not schemas


class _Loader(yaml.CSafeLoader):
    """The loader of the command line, but in C, because a published document is large."""

    yaml_implicit_resolvers = Loader.yaml_implicit_resolvers


class _Dumper(yaml.CSafeDumper):
    """The dumper of the command line, but in C. It quotes the same values."""

    yaml_implicit_resolvers = Dumper.yaml_implicit_resolvers

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML names the parameter.
        return True


def parse(text: str, source: str) -> Document:
    """Parse JSON or YAML, whatever the file is called. `source` is named in errors."""
    if not text.strip():
        raise RegenerationError(f"{source} is empty: nothing to read a specification from.")
    if text.lstrip()[:1] == "<":
        raise RegenerationError(f"{source} is an HTML or XML page, not a specification. Look at what it says.")
    try:
        # JSON first: it is what is published, and its parser is by far the faster one.
        document = json.loads(text)
    except ValueError as json_error:
        try:
            node = yaml.compose(text, Loader=_Loader)
            document = None if node is None else value_of(node)
        except (yaml.YAMLError, ValueError, RecursionError) as yaml_error:
            reason = str(json_error if text.lstrip()[:1] in "{[" else yaml_error).replace("\n", " ")
            raise RegenerationError(f"{source} is neither JSON nor YAML, or is cut short: {reason}") from None
    except RecursionError:
        raise RegenerationError(f"{source} is nested too deeply to be a specification.") from None
    if not isinstance(document, dict):
        raise RegenerationError(f"{source} is not a JSON object, so it is not an OpenAPI document.")
    return document


def load(source: str | Path) -> Document:
    """Read a document from a path or an http(s) URL."""
    name = str(source)
    try:
        data = _fetch(name) if re.match(r"https?://", name) else Path(source).read_bytes()
        if data.startswith(_XZ):
            data = lzma.decompress(data)
        return parse(data.decode("utf-8-sig"), name)
    except lzma.LZMAError:
        raise RegenerationError(f"{name} is a broken .xz file: fetch it again.") from None
    except UnicodeDecodeError:
        raise RegenerationError(f"{name} is not UTF-8 text, so it is not a specification.") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise RegenerationError(f"{name} could not be fetched: {error or type(error).__name__}.") from None
    except OSError as error:
        raise RegenerationError(f"{name} could not be read: {error.strerror or error}.") from None


def _fetch(url: str) -> bytes:
    deadline, data = time.monotonic() + _PATIENCE, bytearray()
    with httpx.stream("GET", url, follow_redirects=True, timeout=30.0) as response:
        if not response.is_success:
            raise RegenerationError(f"{url} answered {response.status_code}: check the URL.")
        for chunk in response.iter_bytes():
            data += chunk
            if time.monotonic() > deadline:
                raise RegenerationError(f"{url} was not read after {_PATIENCE:g} seconds: try again later.")
    return bytes(data)


def load_specification(source: str | Path) -> Document:
    """Read a document and make sure that it is an OpenAPI 3 document with paths."""
    document = load(source)
    version = document.get("openapi")
    if not (isinstance(version, str) and version.startswith("3.")):
        raise RegenerationError(f"{source} is not an OpenAPI 3 document: it has no `openapi: 3.x` field.")
    if not (isinstance(document.get("paths"), dict) and document["paths"]):
        raise RegenerationError(f"{source} is an OpenAPI document without paths: nothing to generate from.")
    return document


def dump(document: Document, heading: str = "") -> str:
    """Write YAML, the same text for the same document, under a heading of comment lines."""
    text = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    return "".join(f"# {line}\n" for line in heading.splitlines()) + str(text)


def operations(document: Document) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Each (method, path, operation) of a document, in its order."""
    for path, item in document.get("paths", {}).items():
        for method in METHODS:
            if isinstance(item, dict) and isinstance(item.get(method), dict):
                yield method, path, item[method]


def reachable(document: Document, node: object) -> set[str]:
    """Every `$ref` in or below a node, and in or below the schemas that these point at."""
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
    """What a local `$ref` points at."""
    node: Any = document
    for part in reference.removeprefix("#/").split("/"):
        key = part.replace("~1", "/").replace("~0", "~")
        if not reference.startswith("#/") or not isinstance(node, dict) or key not in node:
            raise RegenerationError(
                f"`$ref: {reference}` points at nothing in this document. "
                "The publication is incomplete. Use a later one."
            )
        node = node[key]
    return node


def subschemas(schema: Schema) -> Iterator[Schema]:
    """The schemas directly below a schema: of its properties, items, extras and alternatives."""
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
    """Every schema of the document: of components, bodies and parameters, with all that is below them."""
    roots: list[Any] = list(document.get("components", {}).get("schemas", {}).values())
    for _, path, operation in operations(document):
        for holder in (operation, document["paths"][path]):
            roots += [p.get("schema") for p in holder.get("parameters") or [] if isinstance(p, dict)]
        for direction in ("request", "response"):
            roots += [content.get("schema") for content, _ in body_schemas(operation, direction=direction)]
    found = {id(schema): schema for root in roots if isinstance(root, dict) for schema in walk(root)}
    return list(found.values())


def is_success(status: object) -> bool:
    """Whether the key of a response, such as 201 or `2XX`, is that of a success."""
    return str(status).startswith("2")
