"""The operations, resources and models of one specification, for our templates.

The generator does not keep the `x-` extensions of the effective specification, its limits, and the descriptions of
parameters, so they are read from the document itself.
"""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Iterable
from functools import cached_property

import attrs
from openapi_python_client import strings
from openapi_python_client.parser import GeneratorData
from openapi_python_client.parser.openapi import Endpoint, EndpointCollection
from openapi_python_client.parser.properties import ModelProperty, Property
from openapi_python_client.schema.untrusted_string import UntrustedString

from .documents import SCHEMA_PREFIX, Document, Schema, is_success, operations, references
from .lenience import page_classes
from .neutral import code as coded, published
from .prose import in_f_string, literal, prose, sentence, summary, words
from .python_names import (
    ARGUMENT_NAMES,
    FIELD_NAMES,
    FIELD_PREFIX,
    IMPORTS,
    identifier,
    taken_by_classes,
    taken_by_functions,
    unique,
)
from .signatures import Argument, Call, Case, RequestBody, Resource

_LIMITS = ("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems")


@attrs.frozen
class ModelClass:
    """A model: its fields, and the information that their annotations lack."""

    name: str
    text: str
    fields: tuple[Argument, ...]
    imports: tuple[str, ...]
    model_imports: tuple[str, ...]
    renamed: str
    limits: str


class Views:
    """All views of one specification."""

    def __init__(self, document: Document, openapi: GeneratorData) -> None:
        self._document, self._openapi = document, openapi
        self._schemas: dict[str, Schema] = document.get("components", {}).get("schemas", {})
        self._calls: dict[tuple[str, str], Call] = {}
        self._operations = {
            self._key(operation["tags"][0], operation["operationId"]): (path, operation)
            for _, path, operation in operations(document)
        }
        self._modules = {str(model.class_info.name): str(model.class_info.module_name) for model in openapi.models}
        self._known_values = {str(enum.class_info.name) for enum in openapi.enums}
        # Two classes never have the same name.
        self._components = {str(strings.ClassName(name, FIELD_PREFIX)): name for name in self._schemas}

    @property
    def modules(self) -> list[tuple[str, str]]:
        """Each model and its module, sorted by name."""
        return sorted(self._modules.items())

    @cached_property
    def resources(self) -> tuple[Resource, ...]:
        """A resource for each tag that has a method."""
        return tuple(self.resource(each) for each in self._openapi.endpoint_collections_by_tag.values())

    @cached_property
    def _resource_names(self) -> dict[str, str]:
        """The resource class of each tag."""
        taken = set(taken_by_classes())
        classes: dict[str, str] = {}
        for tag in sorted(map(str, self._openapi.endpoint_collections_by_tag)):
            wanted = str(strings.ClassName(tag, "Tag"))
            numbered = (f"{wanted}{number}" for number in itertools.count(2))
            free = (each for each in itertools.chain([wanted], numbered) if not {each, f"Async{each}"} & taken)
            classes[tag] = next(free)
            taken |= {classes[tag], f"Async{classes[tag]}"}
        return classes

    def resource(self, collection: EndpointCollection) -> Resource:
        """The resource of a tag."""
        calls = tuple(self.call(endpoint) for endpoint in collection.endpoints)
        methods = tuple(call for call in calls if call.resource_method)
        tag = str(collection.tag)
        imports = self.imports([code for call in methods for code in call.types], "...")
        return Resource(tag, self._resource_names[tag], methods, tuple(imports))

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
        chosen: dict[str, dict[str, str]] = operation.get(ARGUMENT_NAMES, {})
        views: dict[str, tuple[Argument, ...]] = {}
        for place, properties in groups.items():
            found = []
            for each in properties:
                key = published(each.name.get_untrusted_value())
                parameter = next(p for p in declared if p.get("name") == key and p.get("in") == place)
                name = chosen.get(place, {}).get(key) or renamed.get(key) or identifier(key)
                text = parameter.get("description") or parameter.get("schema", {}).get("description")
                found.append(self._argument(each, key, name, text, parameter.get("schema", {})))
            views[place] = tuple(found)
        # This splits the path at the placeholders of parameters. Other braces are part of the path.
        names = {f"{{{each.published}}}": each.name for each in views["path"]}
        pieces = re.split(r"(\{[^{}]*\})", path)
        url = "".join(
            f"{{_calls.segment({names[piece]})}}" if piece in names else in_f_string(piece) for piece in pieces
        )
        shown = "".join(f"{{{names[piece]}}}" if piece in names else piece for piece in pieces)
        body = self._body(endpoint, operation, {argument.name for group in views.values() for argument in group})
        cases = self._cases(endpoint)
        return Call(
            name=str(endpoint.name),
            method=endpoint.method,
            url=f'f"{url}"' if names else literal(path),
            text=prose(summary(operation, endpoint.name)),
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
            text=sentence(prose(schema.get("description") or self._described(name))),
            fields=fields,
            imports=tuple(sorted({*self.imports(codes, ".."), *known_values} - (modules - known_values))),
            model_imports=tuple(sorted(modules - known_values - {own})),
            renamed=_mapping((literal(each.name), each.key) for each in fields if each.key != literal(each.name)),
            limits=_mapping((each.key, repr(each.limits)) for each in fields if each.limits),
        )

    def fields(self, model: ModelProperty) -> tuple[Argument, ...]:
        """The fields of a model, the required ones first."""
        schema = self._schemas.get(self._components.get(str(model.class_info.name), ""), {})
        chosen: dict[str, str] = schema.get(FIELD_NAMES, {})
        found = []
        for each in (*(model.required_properties or ()), *(model.optional_properties or ())):
            key = published(each.name.get_untrusted_value())
            declared = schema.get("properties", {}).get(key, {})
            name = chosen.get(key) or identifier(key)
            found.append(self._argument(each, key, name, declared.get("description"), declared))
        return tuple(sorted(found, key=lambda field: not field.required))

    def imports(self, codes: Iterable[str], dots: str) -> list[str]:
        """The import statements for some types, in a module that reaches the package with `dots`."""
        named = set(re.findall(r"\w+", " ".join(codes)))
        lines = [f"from {dots}models.{self._modules[name]} import {name}" for name in named & self._modules.keys()]
        lines += [f"from {dots}models.known_values import {name}" for name in named & self._known_values]
        return sorted([*lines, *(line.format(dots) for name, line in IMPORTS.items() if name in named)])

    def _argument(self, each: Property, published_name: str, name: str, text: object, schema: Schema) -> Argument:
        limits = {key: schema[key] for key in _LIMITS if type(schema.get(key)) in (int, float)}
        return Argument(
            name=name,
            published=published_name,
            type=each.get_type_string(no_optional=True).as_unembedded_code(),
            required=each.required,
            text=sentence(prose(str(text) if text else words(name))),
            limits={key: limit for key, limit in limits.items() if abs(limit) <= sys.float_info.max},
        )

    def _body(self, endpoint: Endpoint, operation: Schema, parameters: set[str]) -> RequestBody | None:
        if not endpoint.bodies:
            return None
        body = endpoint.bodies[0]
        fields: tuple[Argument, ...] = ()
        model = ""
        if body.body_type == "json" and isinstance(body.prop, ModelProperty):
            model = str(body.prop.class_info.name)
            taken = parameters | taken_by_functions() | {str(endpoint.name)}
            own = {field.name: field.name for field in self.fields(body.prop)}
            wanted = {name: f"body_{name}" if name in taken else name for name in own}
            names = unique(wanted, taken, own)
            fields = tuple(attrs.evolve(field, name=names[field.name]) for field in self.fields(body.prop))
        text = operation["requestBody"].get("description") or "The body of the request."
        if model:
            text = f"{sentence(str(text))} A `{model}`, or a mapping. Keyword arguments override its fields."
        argument = self._argument(body.prop, "body", "body", text, {})
        if model:
            argument = attrs.evolve(argument, type=f"{model} | Mapping[str, object]")
        return RequestBody(body.body_type, argument, model, fields)

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
            # A success with an undeclared status is read like the last one.
            found[-1] = attrs.evolve(found[-1], status=None)
        return tuple(found) or (Case(None, "None", ""),)

    def _item(self, operation: Schema) -> str:
        """The type of the items of a page, or "" if the success is not a page."""
        for name in page_classes(self._document, operation):
            model = next(m for m in self._openapi.models if m.class_info.name == strings.ClassName(name, FIELD_PREFIX))
            for each in model.required_properties or ():
                if each.name == coded("results"):
                    return each.get_type_string().as_unembedded_code().removeprefix("list[").removesuffix("]")
        return ""

    @cached_property
    def _uses(self) -> dict[tuple[str, str], list[str]]:
        """The operations that send or return each class, by "sent" or "returned" and the reference to the class."""
        found: dict[tuple[str, str], list[str]] = {}
        for _, _, operation in operations(self._document):
            for key, verb in (("requestBody", "sent"), ("responses", "returned")):
                for reference in sorted(set(references(operation.get(key)))):
                    found.setdefault((verb, reference), []).append(f"`{operation['operationId']}`")
        return found

    def _described(self, name: str) -> str:
        """A description from name and uses, for a class that the specification does not describe."""
        said = []
        for verb in ("sent", "returned"):
            uses = self._uses.get((verb, SCHEMA_PREFIX + self._components.get(name, name)), [])
            if uses:
                said.append(f"{verb} by {', '.join(uses[:3])}{' and others' if len(uses) > 3 else ''}")
        return ": ".join([words(name), *([", ".join(said)] if said else [])])

    def _key(self, tag: str, name: str) -> tuple[str, str]:
        """A tag and an operation, by the generator's names."""
        tag_name = strings.PythonIdentifier(UntrustedString(tag), "tag")
        return str(tag_name), str(strings.PythonIdentifier(UntrustedString(name), FIELD_PREFIX))


def _mapping(items: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{key}: {value}" for key, value in items)


def _method_name(name: str) -> str:
    """The name of a method. Of the builtins, only `list` is possible, because annotations can avoid it."""
    return name if name in ("", "list") else str(strings.fix_reserved_words(name))
