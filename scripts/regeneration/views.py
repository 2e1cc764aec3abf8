"""What our templates print: the generated functions, classes and fields, as plain strings of code and prose.

The generator keeps neither the `x-` extensions of the effective specification nor its limits and the descriptions of
parameters, so they are read from the document itself. Every string of a view is safe to print where its name says:
`key` and `url` are Python literals, `name` is an identifier, `type` is code of the generator, and `text` is for a
docstring.
"""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterable, Mapping
from functools import cached_property

import attrs
from openapi_python_client import strings
from openapi_python_client.parser import GeneratorData
from openapi_python_client.parser.openapi import Endpoint, EndpointCollection
from openapi_python_client.parser.properties import ModelProperty, Property
from openapi_python_client.schema.untrusted_string import UntrustedString

from .documents import SCHEMA_PREFIX, Document, Schema, is_success, operations, references
from .errors import RegenerationError
from .lenience import page_classes

_LIMITS = ("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems")
_WIDTH = 110
# What a generated function or class uses itself, so that no parameter and no field may have the name.
_RESERVED_ARGUMENTS = {"self", "body", "client", "response", "build_request", "parse_response"}
_RESERVED_FIELDS = {"additional_properties", "additional_keys", "from_dict", "to_dict", "to_multipart"}
_RESERVED_TYPES = {"Any", "ClassVar", "File", "Literal", "Model", "UNSET", "UUID", "Unset", "attrs", "datetime"}


@attrs.frozen
class Argument:
    """A parameter of a generated function, or a field of a model. `type` leaves out that it may be unset."""

    name: str
    key: str
    type: str
    required: bool
    text: str
    limits: Mapping[str, int | float]

    @property
    def limit_arguments(self) -> str:
        """Its limits as the last arguments of a call."""
        return "".join(f", {keyword}={limit!r}" for keyword, limit in self.limits.items())

    @property
    def declaration(self) -> str:
        """How a function of an endpoint or a model declares it."""
        return f"{self.name}: {self.type}" if self.required else f"{self.name}: {self.type} | Unset = UNSET"

    @property
    def query_declaration(self) -> str:
        """How a method of a resource declares it: None means that it is not sent."""
        if self.required:
            return self.declaration
        may_be_none = self.type in ("Any", "None") or re.search(r"\| None\b", self.type)
        return f"{self.name}: {self.type} = None" if may_be_none else f"{self.name}: {self.type} | None = None"

    @property
    def field_declaration(self) -> str:
        """How a method of a resource declares a field of its body, which may also be in the body that is passed."""
        kind = "object" if self.type == "Any" else self.type  # Any JSON is accepted.
        return f"{self.name}: {kind} | Unset = UNSET"


@attrs.frozen
class RequestBody:
    """The body of a request. `model` is the class of a JSON object, whose `fields` are keywords of the method.

    `kind` is the argument of httpx for it: json or files. Stage 2 leaves no other media types in requests.
    """

    kind: str
    argument: Argument
    model: str
    module: str
    fields: tuple[Argument, ...]

    @property
    def sent(self) -> str:
        """What a function of an endpoint passes to httpx."""
        if self.model:
            required = "" if self.argument.required else ", required=False"
            return f"_calls.json_body({self.model}, body{required})"
        if self.kind == "files":
            return f"body.to_multipart(){'' if self.argument.required else ' if body else UNSET'}"
        return "_calls.plain(body)"


@attrs.frozen
class Case:
    """One success: its status (None: any other), the type of its result, and how that is read, "" if from JSON."""

    status: str | None
    type: str
    read: str


@attrs.frozen
class Call:
    """One operation."""

    name: str
    method: str
    url: str
    text: str
    api_call: str
    path: tuple[Argument, ...]
    query: tuple[Argument, ...]
    headers: tuple[Argument, ...]
    cookies: tuple[Argument, ...]
    body: RequestBody | None
    cases: tuple[Case, ...]
    result: str
    item: str
    resource_method: str
    idempotent: bool
    requires_security: bool

    @property
    def keywords(self) -> tuple[Argument, ...]:
        """Every parameter that is neither in the path nor the body."""
        return (*self.query, *self.headers, *self.cookies)

    @property
    def groups(self) -> list[tuple[str, str, tuple[Argument, ...]]]:
        """The parameters outside of the path: the argument of httpx for them, and in which form it takes them."""
        groups = (
            ("params", "parameters", self.query),
            ("headers", "strings", self.headers),
            ("cookies", "strings", self.cookies),
        )
        return [group for group in groups if group[2]]

    @property
    def arguments(self) -> tuple[Argument, ...]:
        """Every parameter of the functions of the endpoint, in their order."""
        return (*self.path, *((self.body.argument,) if self.body else ()), *self.keywords)

    @property
    def checked(self) -> tuple[Argument, ...]:
        """The parameters that are checked before a request is sent."""
        return tuple(argument for argument in (*self.path, *self.keywords) if argument.type != "Any")

    @property
    def signature(self) -> str:
        """The parameters of build_request."""
        return _signature(self.path, self.arguments[len(self.path) :])

    @property
    def client_signature(self) -> str:
        """The parameters of the functions that send the request."""
        client = "AuthenticatedClient" if self.requires_security else "AuthenticatedClient | Client"
        keywords = [f"client: {client}", *(each.declaration for each in self.arguments[len(self.path) :])]
        return ", ".join([*(each.declaration for each in self.path), "*", *keywords])

    @property
    def method_signature(self) -> str:
        """The parameters of the method of the resource class, without `self`."""
        parts = [each.declaration for each in self.path]
        keywords = sorted(self.keywords, key=lambda each: not each.required)
        if self.body is not None and self.body.model:
            parts.append(f"body: {self.body.model} | Mapping[str, object] | None = None")
        elif self.body is not None:
            parts.append(self.body.argument.declaration)
        fields = self.body.fields if self.body else ()
        declared = [each.query_declaration for each in keywords] + [each.field_declaration for each in fields]
        return ", ".join([*parts, *(["*"] if declared else []), *declared])

    @property
    def method_arguments(self) -> str:
        """What the method of the resource class passes to its transport, after the endpoint."""
        passed = [f"{each.name}={each.name}" for each in self.path]
        if self.body is not None and self.body.model:
            fields = ", ".join(f"{each.key}: {each.name}" for each in self.body.fields)
            passed.append(f"body=_calls.joined(body, {{{fields}}})")
        elif self.body is not None:
            passed.append("body=body")
        passed += [
            f"{each.name}={each.name}" if each.required else f"{each.name}=_calls.given({each.name})"
            for each in self.keywords
        ]
        return ", ".join([self.name, *passed])

    def method_result(self, prefix: str) -> str:
        """The type of what the method returns, in the blocking class or (prefix "Async") in the other."""
        return f"{prefix}Iterator[{self.item}]" if self.item else self.result

    @property
    def types(self) -> list[str]:
        """The code of every type that the methods of the resource classes name."""
        return [self.method_signature, self.method_result(""), self.method_result("Async")]

    @property
    def passed(self) -> str:
        """The arguments, passed on under their own names."""
        return ", ".join(f"{each.name}={each.name}" for each in self.arguments)

    @property
    def endpoint_types(self) -> list[str]:
        """The code of every type that the module of the endpoint names."""
        return [each.type for each in self.arguments] + [case.type for case in self.cases]

    def returns(self, prefix: str) -> str:
        """What the function or the method returns, in words."""
        if self.item:
            kind = "An asynchronous iterator" if prefix else "An iterator"
            return f"{kind} over the items of all pages. It requests a page when it needs it."
        if self.result == "None":
            return "Nothing."
        if self.result in ("Any", "Any | None"):
            return "The JSON value of the response."
        items = re.fullmatch(r"list\[(\w+)\]", self.result)
        return f"A list of `{items[1]}`." if items else f"The `{self.result}`."

    @property
    def documented(self) -> tuple[Argument, ...]:
        """What the method of the resource class explains, in the order of its parameters."""
        keywords = sorted(self.keywords, key=lambda each: not each.required)
        body = (self.body.argument,) if self.body else ()
        return (*self.path, *body, *keywords, *(self.body.fields if self.body else ()))


def _signature(path: Iterable[Argument], keywords: Iterable[Argument]) -> str:
    declared = [each.declaration for each in keywords]
    return ", ".join([*(each.declaration for each in path), *(["*"] if declared else []), *declared])


@attrs.frozen
class Resource:
    """The operations of a tag, as one class for each kind of client."""

    tag: str
    class_name: str
    calls: tuple[Call, ...]
    imports: tuple[str, ...]

    @property
    def hides_list(self) -> bool:
        """Whether a method hides the type `list` from annotations in the class."""
        codes = [code for call in self.calls for code in call.types]
        return any(call.resource_method == "list" for call in self.calls) and any("list[" in code for code in codes)

    @property
    def names(self) -> set[str]:
        """Every name in the signatures. ruff keeps unused imports in an __init__.py, so there must not be any."""
        return set(re.findall(r"\w+", " ".join(code for call in self.calls for code in call.types)))

    def annotation(self, code: str) -> str:
        """A type as the methods of the class have to write it."""
        return re.sub(r"\blist\[", "builtins.list[", code) if self.hides_list else code


@attrs.frozen
class ModelClass:
    """A model: its fields, and what about them is not in their annotations."""

    name: str
    text: str
    fields: tuple[Argument, ...]
    imports: tuple[str, ...]
    model_imports: tuple[str, ...]
    renamed: str
    limits: str


class Views:
    """All views of one specification."""

    def __init__(self, document: Document, openapi: GeneratorData, field_prefix: str) -> None:
        self._document, self._openapi, self._prefix = document, openapi, field_prefix
        self._schemas: dict[str, Schema] = document.get("components", {}).get("schemas", {})
        self._calls: dict[tuple[str, str], Call] = {}
        self._operations = {
            self._key(operation["tags"][0], operation["operationId"]): (path, operation)
            for _, path, operation in operations(document)
        }
        self._modules = {str(model.class_info.name): str(model.class_info.module_name) for model in openapi.models}
        self._known_values = {str(enum.class_info.name) for enum in openapi.enums}
        # The component of each class: two classes never have the same name.
        self._components = {str(strings.ClassName(name, field_prefix)): name for name in self._schemas}

    @property
    def modules(self) -> list[tuple[str, str]]:
        """Each model and its module, in order of name."""
        return sorted(self._modules.items())

    @cached_property
    def resources(self) -> tuple[Resource, ...]:
        """A resource for each tag that has a method."""
        found = [self.resource(each) for each in self._openapi.endpoint_collections_by_tag.values()]
        names = [name for each in found for name in (each.class_name, f"Async{each.class_name}")]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise RegenerationError(f"Two tags have a class called {repeated[0]}: rename one of them.")
        return tuple(found)

    def resource(self, collection: EndpointCollection) -> Resource:
        """The resource of a tag."""
        calls = tuple(self.call(endpoint) for endpoint in collection.endpoints)
        methods = tuple(call for call in calls if call.resource_method)
        tag = str(collection.tag)
        imports = self.imports([code for call in methods for code in call.types], "...")
        return Resource(tag, str(strings.ClassName(tag, "Tag")), methods, tuple(imports))

    def call(self, endpoint: Endpoint) -> Call:
        """The view of one operation."""
        key = str(endpoint.tags[0]), str(endpoint.name)
        if key not in self._calls:
            self._calls[key] = self._call(endpoint)
        return self._calls[key]

    def _call(self, endpoint: Endpoint) -> Call:
        path, operation = self._operations[str(endpoint.tags[0]), str(endpoint.name)]
        declared = [*operation.get("parameters", []), *self._document["paths"][path].get("parameters", [])]
        renamed: dict[str, str] = operation.get("x-parameter-names", {})
        groups = {
            "path": endpoint.path_parameters,
            "query": endpoint.query_parameters,
            "header": endpoint.header_parameters,
            "cookie": endpoint.cookie_parameters,
        }
        taken = _RESERVED_ARGUMENTS | {str(endpoint.name)} | _RESERVED_TYPES | self._modules.keys()
        views: dict[str, tuple[Argument, ...]] = {}
        for place, properties in groups.items():
            found = []
            for each in properties:
                key = each.name.get_untrusted_value()
                parameter = next(p for p in declared if p.get("name") == key and p.get("in") == place)
                name = _free(str(renamed.get(key, each.python_name)), taken, f"_{place}")
                taken = taken | {name}
                text = parameter.get("description") or parameter.get("schema", {}).get("description")
                found.append(self._argument(each, name, text, parameter.get("schema", {})))
            views[place] = tuple(found)
        # The placeholders of path parameters, and what is between them. Other braces are part of the path.
        names = {f"{{{each.key[1:-1]}}}": each.name for each in views["path"]}
        pieces = re.split(r"(\{[^{}]*\})", path)
        url = "".join(
            f"{{_calls.segment({names[piece]})}}" if piece in names else strings.in_f_string_literal(piece)
            for piece in pieces
        )
        shown = "".join(f"{{{names[piece]}}}" if piece in names else piece for piece in pieces)
        body = self._body(endpoint, operation, {argument.name for group in views.values() for argument in group})
        cases = self._cases(endpoint)
        return Call(
            name=str(endpoint.name),
            method=endpoint.method,
            url=f'f"{url}"' if names else literal(path),
            text=prose(_summary(operation, endpoint.name)),
            api_call=prose(f"{endpoint.method.upper()} {shown}"),
            path=views["path"],
            query=views["query"],
            headers=views["header"],
            cookies=views["cookie"],
            body=body,
            cases=cases,
            result=" | ".join(sorted({case.type for case in cases}, key=lambda code: (code == "None", code))),
            item=self._item(operation),
            resource_method=_method_name(operation.get("x-resource-method", "")),
            idempotent=operation.get("x-idempotent") is True,
            requires_security=endpoint.requires_security,
        )

    def model(self, model: ModelProperty) -> ModelClass:
        """The view of one model."""
        name = str(model.class_info.name)
        schema = self._schemas.get(self._components.get(name, ""), {})
        fields = self.fields(model)
        codes = [field.type for field in fields]
        modules = {line for line in self.imports(codes, "..") if line.startswith("from ..models.")}
        known_values = {line for line in modules if ".known_values " in line}
        own = f"from ..models.{self._modules[name]} import {name}"
        return ModelClass(
            name=name,
            text=_sentence(prose(schema.get("description") or self._described(name))),
            fields=fields,
            imports=tuple(sorted({*self.imports(codes, ".."), *known_values} - (modules - known_values))),
            model_imports=tuple(sorted(modules - known_values - {own})),
            renamed=_mapping((literal(each.name), each.key) for each in fields if each.key != literal(each.name)),
            limits=_mapping((each.key, repr(each.limits)) for each in fields if each.limits),
        )

    def fields(self, model: ModelProperty) -> tuple[Argument, ...]:
        """The fields of a model, those that are required first."""
        schema = self._schemas.get(self._components.get(str(model.class_info.name), ""), {})
        taken = _RESERVED_FIELDS | _RESERVED_TYPES | self._modules.keys() | self._known_values
        found = []
        for each in (*(model.required_properties or ()), *(model.optional_properties or ())):
            name = _free(str(each.python_name), taken, "_")
            taken = taken | {name}
            declared = schema.get("properties", {}).get(each.name.get_untrusted_value(), {})
            found.append(self._argument(each, name, declared.get("description"), declared))
        return tuple(sorted(found, key=lambda field: not field.required))

    def imports(self, codes: Iterable[str], dots: str) -> list[str]:
        """The import statements that the code of some types needs, in a module that is below the package by `dots`."""
        words = set(re.findall(r"\w+", " ".join(codes)))
        lines = [f"from {dots}models.{self._modules[name]} import {name}" for name in words & self._modules.keys()]
        lines += [f"from {dots}models.known_values import {name}" for name in words & self._known_values]
        others = {
            "Any": "from typing import Any",
            "Mapping": "from collections.abc import Mapping",
            "File": f"from {dots}types import File",
            "UUID": "from uuid import UUID",
            "datetime": "import datetime",
        }
        return sorted([*lines, *(line for name, line in others.items() if name in words)])

    def _argument(self, each: Property, name: str, text: object, schema: Schema) -> Argument:
        limits = {key: schema[key] for key in _LIMITS if type(schema.get(key)) in (int, float)}
        return Argument(
            name=name,
            key=literal(each.name.get_untrusted_value()),
            type=each.get_type_string(no_optional=True).as_unembedded_code(),
            required=each.required,
            text=_sentence(prose(str(text) if text else _words(name))),
            limits={key: limit for key, limit in limits.items() if math.isfinite(limit)},
        )

    def _body(self, endpoint: Endpoint, operation: Schema, parameters: set[str]) -> RequestBody | None:
        if not endpoint.bodies:
            return None
        body = endpoint.bodies[0]
        fields: tuple[Argument, ...] = ()
        model = ""
        if body.body_type == "json" and isinstance(body.prop, ModelProperty):
            model = str(body.prop.class_info.name)
            taken = parameters | _RESERVED_ARGUMENTS | {str(endpoint.name)}
            for field in self.fields(body.prop):
                name = _free(f"body_{field.name}" if field.name in taken else field.name, taken, "_")
                taken = taken | {name}
                fields += (attrs.evolve(field, name=name),)
        text = operation["requestBody"].get("description") or "The body of the request."
        if model:
            text = f"{_sentence(str(text))} A `{model}`, or a mapping. Keyword arguments override its fields."
        argument = self._argument(body.prop, "body", text, {})
        if model:
            argument = attrs.evolve(argument, type=f"{model} | Mapping[str, object]")
        return RequestBody(body.body_type, argument, model, self._modules.get(model, ""), fields)

    def _cases(self, endpoint: Endpoint) -> tuple[Case, ...]:
        found = []
        for response in endpoint.responses.patterns:
            first, last = response.status_code.range or (0, 0)
            if not is_success(first):
                continue
            attribute = response.source["attribute"]
            code = response.prop.get_type_string().as_unembedded_code()
            code, read = {
                "None": ("None", ""),
                "response.text": ("str", "response.text"),
                "response.content": ("File", "_calls.parse_file(response)"),
            }.get(attribute, (code, ""))
            found.append(Case(str(first) if first == last else None, code, read))
        if found:
            # A success with a status that is not declared is read like the last one.
            found[-1] = attrs.evolve(found[-1], status=None)
        return tuple(found) or (Case(None, "None", ""),)

    def _item(self, operation: Schema) -> str:
        """The type of the items of a page, "" if the success is not a page."""
        for name in page_classes(self._document, operation):
            model = next(m for m in self._openapi.models if m.class_info.name == strings.ClassName(name, self._prefix))
            for each in model.required_properties or ():
                if each.name == "results":
                    return each.get_type_string().as_unembedded_code().removeprefix("list[").removesuffix("]")
        return ""

    @cached_property
    def _uses(self) -> dict[tuple[str, str], list[str]]:
        """The operations that send or return each class, by "sent" or "returned" and its reference."""
        found: dict[tuple[str, str], list[str]] = {}
        for _, _, operation in operations(self._document):
            for key, verb in (("requestBody", "sent"), ("responses", "returned")):
                for reference in sorted(set(references(operation.get(key)))):
                    found.setdefault((verb, reference), []).append(f"`{operation['operationId']}`")
        return found

    def _described(self, name: str) -> str:
        """What can be said of a class that the specification does not describe: its name, and where it is used."""
        said = []
        for verb in ("sent", "returned"):
            uses = self._uses.get((verb, SCHEMA_PREFIX + self._components.get(name, name)), [])
            if uses:
                said.append(f"{verb} by {', '.join(uses[:3])}{' and others' if len(uses) > 3 else ''}")
        return ": ".join([_words(name), *([", ".join(said)] if said else [])])

    def _key(self, tag: str, name: str) -> tuple[str, str]:
        """A tag and an operation as the generator calls them."""
        tag_name = strings.PythonIdentifier(UntrustedString(tag), "tag")
        return str(tag_name), str(strings.PythonIdentifier(UntrustedString(name), self._prefix))


def prose(text: str) -> str:
    """Text that can stand in a docstring, each paragraph on one line."""
    paragraphs = re.split(r"\n\s*\n", str(strings.safe_for_docstring(text)))
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs).strip()


def wrapped(text: str, indent: int, hanging: int = 0) -> str:
    """Prose in lines that fit. All lines but the first are indented, each paragraph's second and later ones more."""
    lines: list[str] = []
    for paragraph in text.split("\n\n"):
        # An escape sequence must not be split: safe_for_docstring has already split what is too long.
        filled = textwrap.wrap(
            paragraph, _WIDTH - indent, subsequent_indent=" " * hanging, break_long_words=False, break_on_hyphens=False
        )
        lines += ["", *filled] if lines else filled
    return "\n".join(" " * indent + line if number and line else line for number, line in enumerate(lines))


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", ":", ")", "`")) else f"{text}."


def _summary(operation: Schema, name: str) -> str:
    summary, description = (str(operation.get(key) or "").strip() for key in ("summary", "description"))
    summary = _sentence(summary or _words(name))
    return f"{summary}\n\n{description}" if description else summary


def _words(name: str) -> str:
    """A name as the beginning of a sentence: `agent_id` gives "Agent id"."""
    return str(strings.snake_case(name)).replace("_", " ").strip().capitalize()


def literal(text: str) -> str:
    """A Python literal. It is exact, which JSON is not for all characters, and can hold nothing but the text."""
    return '"' + text + '"' if re.fullmatch(r"[\w. -]*", text, re.ASCII) else repr(text)


def _mapping(items: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{key}: {value}" for key, value in items)


def _free(name: str, taken: set[str] | frozenset[str], suffix: str) -> str:
    while name in taken:
        name += suffix
    return name


def _method_name(name: str) -> str:
    """The name of a method. `list` is the one builtin that annotations in the class can do without."""
    return name if name in ("", "list") else str(strings.fix_reserved_words(name))
