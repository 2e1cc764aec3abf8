"""The effective specification for the generator, without texts, and with a code in place of each published name.

The generator derives its own names from published ones. It gets only codes, so no published name can break its code or
collide with another one.
"""

from __future__ import annotations

import re
from typing import Any

from .documents import METHODS, Document, Schema

_KEPT = ("$ref", "type", "format", "enum", "const")
_CODE = "wire"


def code(name: str) -> str:
    """A unique identifier for a published name."""
    return _CODE + name.encode("utf-8", "surrogatepass").hex()


def published(name: str) -> str:
    """The published name of a code."""
    return bytes.fromhex(name.removeprefix(_CODE)).decode("utf-8", "surrogatepass")


def readable(text: str) -> str:
    """A message of the generator with published names, on one line, and without memory addresses."""
    text = re.sub(rf"\b{_CODE}((?:[0-9a-f]{{2}})+)\b", lambda found: repr(published(found[0]))[1:-1], text)
    return " ".join(re.sub(r"<[\w.]+ object at 0x[0-9a-f]+>", "…", text).split())


def neutral(document: Document) -> Document:
    """The parts of a document that the generator needs."""
    schemas = document.get("components", {}).get("schemas", {})
    responses = document.get("components", {}).get("responses", {})
    paths: dict[str, Any] = {}
    for path, item in document["paths"].items():
        shared = item.get("parameters", [])
        operations = {method: _operation(item[method]) for method in METHODS if isinstance(item.get(method), dict)}
        names = {
            parameter["name"]
            for holder in (item, *(item[method] for method in operations))
            for parameter in holder.get("parameters", [])
            if parameter.get("in") == "path"
        }
        paths[_path(path, names)] = operations | ({"parameters": _parameters(shared)} if shared else {})
    return {
        "openapi": "3.1.0",
        "info": {"title": "API", "version": "1"},
        "paths": paths,
        "components": {
            "schemas": {name: _schema(schema) for name, schema in schemas.items()},
            "responses": {name: _body(body) for name, body in responses.items()},
        },
    }


def _path(path: str, names: set[str]) -> str:
    def coded(found: re.Match[str]) -> str:
        return f"{{{code(found[1])}}}" if found[1] in names or found[1].isidentifier() else found[0]

    return re.sub(r"\{([^{}]*)\}", coded, path)


def _operation(operation: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {key: operation[key] for key in ("operationId", "tags") if key in operation}
    if operation.get("security"):
        result["security"] = [{"credential": []}]
    if operation.get("parameters"):
        result["parameters"] = _parameters(operation["parameters"])
    if isinstance(body := operation.get("requestBody"), dict):
        result["requestBody"] = _body(body) | {"required": body.get("required") is True}
    result["responses"] = {str(status): _body(body) for status, body in operation.get("responses", {}).items()}
    return result


def _parameters(parameters: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "name": code(each["name"]),
            "in": each.get("in"),
            "required": each.get("required") is True,
            "schema": _schema(each["schema"]),
        }
        for each in parameters
    ]


def _body(body: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in body:
        return {"$ref": body["$ref"]}
    content = body.get("content") or {}
    return {
        "description": "",
        "content": {
            media_type: {"schema": _schema(each["schema"])} if "schema" in each else {}
            for media_type, each in content.items()
        },
    }


def _schema(schema: Schema) -> Schema:
    result: Schema = {key: schema[key] for key in _KEPT if key in schema}
    if isinstance(schema.get("properties"), dict):
        result["properties"] = {code(name): _schema(child) for name, child in schema["properties"].items()}
    if "required" in schema:
        result["required"] = [code(name) for name in schema["required"]]
    for key in ("items", "additionalProperties"):
        if key in schema:
            result[key] = _schema(schema[key]) if isinstance(schema[key], dict) else schema[key]
    for key in ("allOf", "anyOf", "oneOf", "prefixItems"):
        if key in schema:
            result[key] = [_schema(member) for member in schema[key]]
    return result
