"""Documents with hostile names and texts in every position."""

from __future__ import annotations

import builtins
import itertools
import keyword
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from cekura_api import model as our_model
from hypothesis import strategies as st
from regeneration.documents import Document, operations
from regeneration.operations import Body, Operation, Operations

from tests.regenerating import ROOT

CANARY = "__import__('os').environ['CANARY']='1'"
_GENERATED = ROOT / "generated_client" / "cekura_api"


def _names_of_the_package() -> set[str]:
    """Every identifier, module and file of the committed client."""
    found: set[str] = set()
    for file in _GENERATED.rglob("*.py"):
        found |= {file.stem, file.name, file.parent.name}
        found |= set(re.findall(r"[A-Za-z_]\w*", file.read_text("utf-8")))
    return found


# Names that broke a client, or could break it.
KNOWN_BAD = sorted(
    {
        *("d", "src_dict", "cls", "self", "additional_properties", "additionalProperties", "from_dict", "to_dict"),
        *("field_dict", "to_multipart", "check", "required_fields", "additional_keys", "_names", "_limits", "prop"),
        *("__init__", "__attrs_attrs__", "__dict__", "__class__", "__slots__", "__getitem__", "__name__", "mro"),
        *("params", "headers", "cookies", "client", "body", "kwargs", "timeout", "url", "request", "json", "files"),
        *("method", "extensions", "response", "build_request", "parse_response", "endpoint", "transport", "http"),
        *("httpx", "Any", "Model", "Unset", "UNSET", "File", "UUID", "datetime", "ClassVar", "ClassVarThing"),
        *("MODULES", "models", "model.py", "calls.py", "errors.py", "transport.py", "types.py", "api", "_calls"),
        *(
            "API",
            "AsyncAPI",
            "Transport",
            "AsyncTransport",
            "Iterator",
            "Mapping",
            "cached_property",
            "ImportModule",
            "known_values",
        ),
        *("class", "class_", "Class", "CLASS", "a-b", "a_b", "aB", "AB", "a b", "a.b", "a/b", "a~b", "é", "e", "E"),
        *(
            "ﬁ",
            "fi",
            "ª",
            "a",
            "\uff41",
            "İ",
            "i",
            "ß",
            "ss",
            "名前",
            "",
            " ",
            "_",
            "__",
            "-",
            "1",
            "1a",
            "_1",
            "x\u202ey",
        ),
        *(
            "list",
            "list_",
            "dict",
            "int",
            "property",
            "type",
            "id",
            "None",
            "True",
            "print",
            "next",
            "next_",
            "results",
        ),
        *(
            '"""',
            "'",
            '"',
            "\\",
            "{{ 1 }}",
            "{% raw %}",
            "{x}",
            "{",
            "}",
            "\n",
            "\r",
            "\u2028",
            "\x85",
            "\x00",
            "\u200b",
        ),
        *("a\ufe0f", "\u1160", "# type: ignore", f'"]\n{CANARY}\n', f"{{{CANARY}}}", "$ref", "x-y", "%41", "..", "."),
        *("annotations", "builtins", "asyncio", "sync", "async", "await", "typing", "attrs", "field_", "type_0"),
        *("wire", "wire61", "Schema", "body_client", "client_query", "Async", "async_things", "Things", "things"),
    }
)
NASTY_TEXTS = [
    *('"""', "'''", '""""', 'ends with "', "ends with \\", "\\N{DASH} \\x \\u12 \\", '\\"""', "{{ 7*7 }} {% if %}"),
    *("a\rb\nc\u2028d\x0be\x85f\x1cg", "\x00\x07\x1b[31m", "\u202edecrofni\u202c \u2066x\u2069", "a\u200bb\ufeffc"),
    *("# type: ignore", "# noqa", "# fmt: off", "# -*- coding: utf-7 -*-", "%s {0} ${x}", "", " ", "\n\n\n", "\t"),
    *(f'"""\n{CANARY}\n"""', f"\\\n{CANARY}", f"')\n{CANARY}\n#", f"{{{CANARY}}}", f'"]\n{CANARY}\n["', "\ud800 half"),
    *("é" * 300, "\\" * 200, "x" * 500, "word " * 200, "\U000e0041\U000e0042"),
]
NAMES = st.one_of(
    st.sampled_from(KNOWN_BAD),
    st.sampled_from(KNOWN_BAD),
    st.sampled_from(sorted(_names_of_the_package())),
    st.sampled_from(
        sorted({*dir(builtins), *keyword.kwlist, *keyword.softkwlist, *dir(our_model.Model), *dir(object)})
    ),
    st.sampled_from(KNOWN_BAD).map(str.upper),
    st.sampled_from(KNOWN_BAD).map(lambda name: f"{name}_"),
    st.sampled_from(KNOWN_BAD).map(lambda name: unicodedata.normalize("NFKD", name)),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
)
TEXTS = st.one_of(st.sampled_from(NASTY_TEXTS), st.text(max_size=40))
_SEGMENTS = NAMES.map(lambda name: re.sub(r"[?#\\\s/{}]", "", name)).filter(
    lambda name: name.isprintable() and name not in ("", ".", "..")
)


def _described(schemas: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(
        lambda schema, text, title: {**schema, "description": text, "title": title} if "$ref" not in schema else schema,
        schemas,
        TEXTS,
        TEXTS,
    )


def _schemas(components: list[str]) -> st.SearchStrategy[Any]:
    """Schemas of properties: of values, of objects with hostile names, and of other components."""
    references = [f"#/components/schemas/{name.replace('~', '~0').replace('/', '~1')}" for name in components]
    leaves = st.one_of(
        st.sampled_from(
            [
                *({"type": name} for name in ("string", "integer", "boolean", "number")),
                {"type": ["object", "null"]},
                {"type": ["string", "object"], "properties": {"to_dict": {"type": "string"}}},
                {"type": "string", "format": "date-time", "pattern": CANARY},
                {"type": "object", "additionalProperties": {"type": "string"}},
                {},
            ]
        ),
        st.builds(lambda values: {"type": "string", "enum": values}, st.lists(_VALUES, min_size=1, unique=True)),
        st.builds(lambda text: {"type": "string", "default": text, "example": text}, _VALUES),
        *([st.sampled_from([{"$ref": each} for each in references])] if references else []),
    )
    return _described(st.recursive(leaves, _containers, max_leaves=3))


_VALUES = TEXTS.map(lambda text: re.sub("[\ud800-\udfff]", "", text))


def _containers(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        _objects(children),
        children.map(lambda items: {"type": "array", "items": items}),
        st.lists(_objects(children), min_size=2, max_size=2).map(lambda members: {"allOf": members}),
        children.map(lambda extra: {"type": "object", "additionalProperties": extra}),
    )


@st.composite
def _objects(draw: st.DrawFn, children: st.SearchStrategy[Any], least: int = 1) -> dict[str, Any]:
    properties = draw(st.dictionaries(NAMES, children, min_size=least, max_size=least + 3))
    required = draw(st.lists(st.sampled_from(sorted(properties)), unique=True, max_size=3))
    return {"type": "object", "properties": properties, "required": required, "description": draw(TEXTS)}


class Hostile:
    """A document with a short repr, because Hypothesis prints documents that fail."""

    def __init__(self, document: Document) -> None:
        self.document = document

    def __repr__(self) -> str:
        return f"<{len(self.document['paths'])} operations; set HOSTILE_KEEP to a file that it is written to>"


@st.composite
def documents(draw: st.DrawFn) -> Hostile:
    """A document in which all names and texts are hostile. Its operations have all kinds of parameters and bodies."""
    names = draw(st.lists(NAMES.filter(lambda name: name != ""), min_size=3, max_size=4, unique=True))
    schemas = _schemas(names)
    document: Document = {
        "openapi": "3.1.0",
        "info": {"title": draw(TEXTS), "version": draw(_VALUES), "description": draw(TEXTS)},
        "servers": [{"url": draw(_VALUES)}],
        "paths": {},
        "components": {
            # No schema refers to itself, because such schemas have no stable names.
            "schemas": {
                name: draw(_objects(_schemas(names[:2] if number > 1 else []), least=4))
                for number, name in enumerate(names)
            },
            "securitySchemes": {"key": {"type": "apiKey", "in": "query", "name": "secret"}},
        },
    }
    simple = st.sampled_from([{"type": "string"}, {"type": "integer"}])
    for number in range(3):
        parameters = []
        own = [draw(NAMES.filter(lambda name: not re.search(r"[{}/?#\\\s]", name) and name.isprintable()))]
        for place, names_there in (
            ("path", own),
            *((place, draw(st.lists(NAMES, max_size=8, unique=True))) for place in ("query", "header", "cookie")),
        ):
            parameters += [
                {
                    "name": name,
                    "in": place,
                    "required": place == "path" or draw(st.booleans()),
                    "schema": draw(simple),
                    "description": draw(TEXTS),
                }
                for name in names_there
            ]
        bodies = draw(st.sampled_from(["ref", "object"]))
        reference = {"$ref": f"#/components/schemas/{names[0].replace('~', '~0').replace('/', '~1')}"}
        body = reference if bodies == "ref" else draw(_objects(schemas, least=4))
        tail = f"{{{own[0]}}}/{number}/"
        document["paths"][f"/v1/{draw(_SEGMENTS)}/{draw(_SEGMENTS)}/{tail}"] = {
            "post": {
                "operationId": draw(NAMES),
                "tags": [draw(NAMES)],
                "summary": draw(TEXTS),
                "description": draw(TEXTS),
                "parameters": parameters,
                "requestBody": {"description": draw(TEXTS), "content": {"application/json": {"schema": body}}},
                "responses": {
                    "200": {
                        "description": draw(TEXTS),
                        "content": {"application/json": {"schema": draw(_objects(schemas, least=4))}},
                    }
                },
                "security": [{"key": []}],
            }
        }
    return Hostile(document)


def with_known_bad_names() -> Document:
    """A document with each known bad name in each position, and each nasty text in one."""
    texts = itertools.cycle(NASTY_TEXTS)
    values = itertools.cycle(sorted({re.sub("[\ud800-\udfff]", "", text) for text in NASTY_TEXTS}))

    def fields(children: Iterator[dict[str, Any]]) -> dict[str, Any]:
        properties = {name: next(children) | {"description": next(texts)} for name in KNOWN_BAD}
        return {"type": "object", "properties": properties, "required": KNOWN_BAD[::7], "description": next(texts)}

    simple: list[dict[str, Any]] = [{"type": "string"}, {"type": "integer"}]
    inner = fields(itertools.cycle(simple))
    kinds: list[dict[str, Any]] = [
        {"type": "string"},
        {"type": "string", "enum": [next(values), next(values)]},
        {"type": ["object", "null"]},
    ]
    leaves: Iterator[dict[str, Any]] = itertools.cycle(kinds)
    components = {
        name: {**inner, "properties": {name: {"type": "string"}}, "required": []} for name in KNOWN_BAD if name
    }
    components["Whole"] = fields(leaves)
    paths: dict[str, Any] = {}
    segments = [re.sub(r"[?#\\\s/{}]", "", name) for name in KNOWN_BAD]
    segments = [name for name in segments if name.isprintable() and name not in ("", ".", "..")]
    tags = ("things", "async_things", "cached_property", "transport", "api", "AsyncAPI", "self", "list", "1", "Mapping")
    for number, tag in enumerate(tags):
        segment = "/".join([tag, *sorted(set(segments))[number :: len(tags)]])
        own = KNOWN_BAD[number * 7] if number else "id"
        # The first operation has all parameters and properties, and the others only the path and a reference.
        names = [] if number else KNOWN_BAD
        parameters = [
            {
                "name": name,
                "in": place,
                "required": name < "b",
                "schema": {"type": "string"},
                "description": next(texts),
            }
            for place in ("query", "header", "cookie")
            for name in names
        ]
        parameters.append({"name": own, "in": "path", "required": True, "schema": {"type": "string"}})
        named = sorted(components)[number % len(components)].replace("~", "~0").replace("/", "~1")
        paths[f"/v1/{segment}/{{{own}}}/{segment}/"] = {
            "post": {
                "summary": next(texts),
                "description": next(texts),
                "tags": [tag],
                "parameters": parameters,
                "requestBody": {
                    "content": {
                        "application/json": {"schema": {"$ref": f"#/components/schemas/{'Whole' if names else named}"}}
                    }
                },
                "responses": {
                    "200": {
                        "description": next(texts),
                        "content": {"application/json": {"schema": fields(leaves) if number < 2 else inner_of(number)}},
                    }
                },
            }
        }
    return {
        "openapi": "3.1.0",
        "info": {"title": next(texts), "version": next(values)},
        "paths": paths,
        "components": {"schemas": components},
    }


def inner_of(number: int) -> dict[str, Any]:
    """A small object with a known bad name."""
    return {"type": "object", "properties": {KNOWN_BAD[number % len(KNOWN_BAD)]: {"type": "string"}}}


def covering(document: Document) -> Operations:
    """Entries for the first operations of a document, as in spec/operations.yaml."""
    return Operations(
        tuple(
            Operation(
                *(f"do_{number}", "things", method, path, Body(f"Sent{number}"), Body(f"Got{number}")),
                resource_method=f"do_{number}",
            )
            for number, (method, path, _) in enumerate(operations(document))
        ),
        {},
    )
