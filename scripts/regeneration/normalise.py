"""Stage 2, normalise: rules for faults that any operation can have. The overlay has what only a person can know.

Each rule changes the copy of the document that it gets, and returns how many places it fixed.
"""

from __future__ import annotations

import copy
import json
import re
from typing import Any

from .documents import JSON, SCHEMA_KEYWORDS, Document, Schema, all_schemas, body_schemas, operations, resolve
from .naming import name_operations
from .operations import Operations
from .rules import Rule, run
from .schemas import join_members, kinds, nullable, types
from .untrusted import RULES as HOSTILE, check_strings

MULTIPART = "multipart/form-data"
OCTETS = "application/octet-stream"
_STATUS = r"default|[1-5](\d\d|XX)"


def normalise(document: Document, covered: Operations) -> tuple[Document, dict[str, int]]:
    """Apply every rule, in order. Returns the new document, and how often each rule fired."""
    naming = Rule(
        "stable-names",
        "operationIds, tags and schema names change from one version to the next",
        lambda result: name_operations(result, covered),
    )
    check_strings(document)
    # Rules convert OpenAPI 3.0 to 3.1.
    return run((*RULES, *HOSTILE, naming), document | {"openapi": "3.1.0"})


def _shared_objects(document: Document) -> int:
    """Replace references to request bodies, responses and parameters with their targets, for the other rules."""
    fired = 0
    for _, path, operation in operations(document):
        for holder in (operation, document["paths"][path]):
            if any("$ref" in parameter for parameter in holder.get("parameters", [])):
                holder["parameters"] = [_resolved(document, parameter) for parameter in holder["parameters"]]
                fired += 1
        if "$ref" in operation.get("requestBody", {}):
            operation["requestBody"] = _resolved(document, operation["requestBody"])
            fired += 1
        for status, body in operation.get("responses", {}).items():
            if "$ref" in body:
                operation["responses"][status] = _resolved(document, body)
                fired += 1
    return fired


def _resolved(document: Document, node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        node = resolve(document, node["$ref"])
    return copy.deepcopy(node)


def _misplaced_schema(document: Document) -> int:
    fired = 0
    for _, _, operation in operations(document):
        for body in (operation.get("requestBody"), *operation.get("responses", {}).values()):
            content = body.get("content") if isinstance(body, dict) else None
            if isinstance(content, dict) and content and set(content) & SCHEMA_KEYWORDS:
                # Either the schema is here, or each key is a media type with its own schema.
                inner = [value for value in content.values() if isinstance(value, dict) and "schema" in value]
                body["content"] = {JSON: inner[0] if inner else {"schema": content}}
                fired += 1
    return fired


def _nulls_and_booleans(document: Document) -> int:
    """Remove keywords that are null. A schema that is `true` allows every value, as an empty one does."""
    fired = 0
    nodes: list[dict[str, Any]] = [document["paths"][path] for _, path, _ in operations(document)]
    nodes += [operation for _, _, operation in operations(document)]
    nodes += [operation["responses"] for operation in nodes if isinstance(operation.get("responses"), dict)]
    for node in [*nodes, *all_schemas(document)]:
        for key in [key for key, value in node.items() if value is None and key not in ("default", "const", "example")]:
            del node[key]
            fired += 1
    for schema in all_schemas(document):
        holders: list[tuple[dict[str, Any], list[str]]] = [(schema, ["items"])]
        if isinstance(schema.get("properties"), dict):
            holders.append((schema["properties"], list(schema["properties"])))
        for holder, keys in holders:
            for key in keys:
                if holder.get(key) is True:
                    holder[key] = {}
                    fired += 1
    return fired


def _incomplete_parts(document: Document) -> int:
    return sum(map(_complete_schema, all_schemas(document))) + _complete_operations(document)


def _complete_schema(schema: Schema) -> int:
    fired = 0
    for key in ("type", "enum", "allOf", "anyOf", "oneOf"):
        if schema.get(key) == []:
            del schema[key]
            fired += 1
    if "array" in types(schema) and not isinstance(schema.get("items"), dict):
        schema["items"] = {}
        fired += 1
    for key in ("exclusiveMinimum", "exclusiveMaximum"):
        if isinstance(schema.get(key), bool):
            del schema[key]
            fired += 1
    if "required" in schema and not isinstance(schema["required"], list):
        del schema["required"]
        fired += 1
    # Patterns are not in Python's dialect, and nothing uses them.
    return fired + (schema.pop("pattern", None) is not None)


def _complete_operations(document: Document) -> int:
    fired = 0
    for _, path, operation in operations(document):
        responses = operation.get("responses", {})
        for status in [status for status in responses if not re.fullmatch(_STATUS, status, re.ASCII)]:
            del responses[status]
            fired += 1
        for parameter in (*document["paths"][path].get("parameters", []), *operation.get("parameters", [])):
            if isinstance(parameter, dict) and "$ref" not in parameter and "schema" not in parameter:
                content: dict[str, Any] = next(iter((parameter.pop("content", None) or {}).values()), {})
                parameter["schema"] = content.get("schema", {"type": "string"})
                fired += 1
        body = operation.get("requestBody", {"$ref": ""})
        if "$ref" not in body and body.get("content") is None:
            body["content"] = {}
            fired += 1
        for body in operation.get("responses", {}).values():
            if isinstance(body, dict) and "$ref" not in body and "description" not in body:
                body["description"] = ""
                fired += 1
    return fired


def _names_of_json(document: Document) -> int:
    """Declare `application/json; charset=utf-8` and `*/*` as JSON, which this service always means."""
    fired = 0
    for _, _, operation in operations(document):
        for body in (operation.get("requestBody"), *operation.get("responses", {}).values()):
            content = body.get("content") if isinstance(body, dict) else None
            if isinstance(content, dict) and JSON not in content:
                for name in [name for name in content if re.match(r"application/([\w.-]+\+)?json\b|\*/\*", name)][:1]:
                    body["content"] = {JSON: content[name]} | {k: v for k, v in content.items() if k != name}
                    fired += 1
    return fired


def _one_request_body(document: Document) -> int:
    """Keep one request body: JSON, which the service accepts wherever it accepts a form, or multipart for files."""
    fired = 0
    for _, _, operation in operations(document):
        content = (operation.get("requestBody") or {}).get("content")
        if not isinstance(content, dict) or not content:
            continue
        body = content.get(JSON) or next(iter(content.values()))
        kinds_of_body = kinds(document, body.get("schema", {}))
        if list(content) != [JSON] and not (list(content) == [MULTIPART] and kinds_of_body == {"object"}):
            operation["requestBody"]["content"] = content = {JSON: body}
            fired += 1
        if list(content) == [JSON] and "file" in kinds_of_body:
            body["schema"] = {"type": "string"}  # JSON cannot contain a file.
            fired += 1
    return fired


def _files(document: Document) -> int:
    fired = 0
    for _, _, operation in operations(document):
        for body in operation.get("responses", {}).values():
            content = body.get("content") if isinstance(body, dict) else None
            if not isinstance(content, dict) or not content:
                continue
            is_readable = JSON in content or re.fullmatch(r"text/[\w.+-]+(;.*)?", next(iter(content)), re.ASCII)
            if not is_readable or content.get(JSON, {}).get("schema", {}).get("format") == "binary":
                body["content"] = {OCTETS: {"schema": {"type": "string", "format": "binary"}}}
                fired += list(content) != [OCTETS]
    return fired


def _any_error_body(document: Document) -> int:
    """Declare error responses without a shape, because every operation can return 401, 403, 404 and 429."""
    shared = {
        "description": "An error. Its body may have any shape, and may not be JSON.",
        "content": {"*/*": {}},
    }
    fired = 0
    for _, _, operation in operations(document):
        responses = operation.setdefault("responses", {})
        errors = {status for status in responses if not str(status).startswith(("1", "2", "3"))}
        fired += any(responses[status].get("content") for status in errors)
        kept = {status: body for status, body in responses.items() if status not in errors}
        statuses = sorted({str(status) for status in errors} | {"400", "401", "403", "404", "429"})
        operation["responses"] = kept | {status: {"$ref": "#/components/responses/Error"} for status in statuses}
    document.setdefault("components", {})["responses"] = {"Error": shared}
    return fired


def _openapi_3_0_nullable(document: Document) -> int:
    fired = 0
    for schema in all_schemas(document):
        if "nullable" in schema:
            fired += 1
            if schema.pop("nullable") is True:
                fixed = dict(nullable(_reference_as_member(schema)))
                schema.clear()
                schema.update(fixed)
    return fired


def _repeated_values(document: Document) -> int:
    fired = 0
    for _, path, operation in operations(document):
        for holder in (operation, document["paths"][path]):
            declared = holder.get("parameters", [])
            first: dict[tuple[str, str], dict[str, Any]] = {}
            for parameter in declared:
                first.setdefault((parameter["in"], parameter["name"]), parameter)
            if len(first) < len(declared):
                holder["parameters"] = list(first.values())
                fired += 1
    for schema in all_schemas(document):
        for key in ("type", "required", "enum"):
            values = schema.get(key)
            if isinstance(values, list):
                # Values are compared as text, because True == 1 in Python.
                distinct = {json.dumps(value, sort_keys=True): value for value in values}
                fired += len(distinct) < len(values)
                schema[key] = list(distinct.values())
    return fired


def _reference_as_member(schema: Schema) -> Schema:
    if "$ref" not in schema:
        return schema
    return {
        "anyOf": [{"$ref": schema["$ref"]}],
        **{key: value for key, value in schema.items() if key != "$ref"},
    }


def _titles(document: Document) -> int:
    return sum(schema.pop("title", None) is not None for schema in all_schemas(document))


def _examples_and_extensions(document: Document) -> int:
    """Remove examples, which may be wrong, and extensions, callbacks and links, which this client does not use."""
    fired = 0
    nodes: list[dict[str, Any]] = list(all_schemas(document))
    for _, path, operation in operations(document):
        nodes += [operation, document["paths"][path], *operation.get("parameters", [])]
        nodes += [body for body in operation.get("responses", {}).values() if isinstance(body, dict)]
        for direction in ("request", "response"):
            nodes += [content for content, _ in body_schemas(operation, direction=direction)]
    unused = ("example", "examples", "callbacks", "links", "headers")
    for node in nodes:
        for key in [key for key in node if key in unused or str(key).startswith("x-")]:
            del node[key]
            fired += 1
    return fired


RULES = (
    Rule("nulls-and-booleans", "the document has null or true in place of an object or a list", _nulls_and_booleans),
    Rule(
        "shared-objects",
        "the other rules would skip bodies and parameters that are references",
        _shared_objects,
    ),
    Rule(
        "misplaced-schema",
        "a schema's keywords are in place of media types, so that the body is skipped",
        _misplaced_schema,
    ),
    Rule(
        "incomplete-parts", "something that OpenAPI 3.1 requires is missing, or has the form of 3.0", _incomplete_parts
    ),
    Rule("names-of-json", "JSON is declared under another name, and skipped", _names_of_json),
    Rule(
        "one-request-body",
        "a body is declared up to three times, so that the client fills all and sends multipart",
        _one_request_body,
    ),
    Rule("files", "a file is declared as JSON or in a format that the generator does not know", _files),
    Rule(
        "any-error-body",
        "errors are declared with a shape that they do not have, so that parsing fails",
        _any_error_body,
    ),
    Rule(
        "repeated-values",
        "a set has a value twice, which is not a valid schema",
        _repeated_values,
    ),
    Rule(
        "nullable",
        "`nullable: true` is OpenAPI 3.0 and means nothing in a 3.1 document",
        _openapi_3_0_nullable,
    ),
    Rule(
        "joined-members",
        "the generator does not join every `allOf`, and names classes itself",
        join_members,
    ),
    Rule("titles", "titles become class names, and duplicates of them drop schemas", _titles),
    Rule("examples-and-extensions", "examples do not match their own schemas", _examples_and_extensions),
)
