"""Checks that the package generated from a document is sound, for any names and texts."""

from __future__ import annotations

import ast
import importlib
import inspect
import itertools
import json
import os
import pkgutil
import re
import sys
import unicodedata
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any
from unittest import mock
from urllib.parse import parse_qsl, unquote

import attrs
import httpx
from openapi_python_client import strings
from regeneration.documents import Document, operations
from regeneration.errors import RegenerationError
from regeneration.operations import Operations
from regeneration.pipeline import derive
from regeneration.select import ALL

from tests.hostile import covering
from tests.regenerating import ROOT, generate

_COUNTER = itertools.count()


@contextmanager
def made(document: Document, selection: str) -> Iterator[tuple[Document, str, Path]]:
    """The effective specification of a document, and the name and folder of the generated package."""
    package = f"hostile_{next(_COUNTER)}"
    overlay = {"overlay": "1.0.0", "actions": []}
    with TemporaryDirectory() as folder:
        covered = Operations((), {}) if selection == ALL else covering(document)
        effective = derive(document, covered, overlay, selection).effective
        specification = Path(folder, "openapi.json")
        specification.write_text(json.dumps(effective), encoding="utf-8")
        generate(specification, ROOT / "spec" / "generator.yaml", Path(folder, package))
        sys.path.insert(0, folder)
        try:
            yield effective, package, Path(folder)
        finally:
            sys.path.remove(folder)
            for name in [name for name in sys.modules if name.partition(".")[0] == package]:
                del sys.modules[name]


def refusal(document: Document, selection: str) -> str | None:
    """Check the package of a document, or its refusal. Returns the line of a refusal."""
    if "HOSTILE_KEEP" in os.environ:
        Path(os.environ["HOSTILE_KEEP"]).write_text(json.dumps([selection, document]), encoding="utf-8")
    try:
        with made(document, selection) as (effective, package, folder):
            check_package(effective, package, folder)
    except RegenerationError as error:
        line = str(error)
        assert "\n" not in line
        assert " at 0x" not in line
        # These messages mean that nobody foresaw the problem.
        assert "does not say why" not in line
        return line
    return None


def check_package(effective: Document, package: str, folder: Path) -> None:
    """Fail if a package cannot be imported, does not round-trip or send its parameters, or shadows one of our names."""
    for file in (folder / package).rglob("*.py"):
        _check_source(file)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        root = importlib.import_module(package)
        modules = [importlib.import_module(each.name) for each in pkgutil.walk_packages(root.__path__, f"{package}.")]
    assert "CANARY" not in os.environ
    for module in modules:
        _check_imports(package, module)
    _check_models(effective, package)
    for _, path, operation in operations(effective):
        _check_operation(effective, package, path, operation)


def _check_source(file: Path) -> None:
    """Check that a file has only the statements of the templates, and no deceptive text."""
    text = file.read_text("utf-8")
    hidden = {each for each in text if unicodedata.category(each) in ("Cc", "Cf", "Co", "Cs", "Zl", "Zp")} - {"\n"}
    assert not hidden, f"{file.name}: {hidden!r}"
    for node in ast.walk(ast.parse(text)):
        assert not (isinstance(node, ast.Name) and node.id in ("__import__", "CANARY")), file.name
        name = getattr(node, "name", None) or getattr(node, "id", None) or getattr(node, "arg", None)
        assert not isinstance(name, str) or name.isascii(), name


def _check_imports(package: str, module: ModuleType) -> None:
    """Check that names from the document do not replace the imports of a module."""
    assert module.__file__
    for node in ast.parse(Path(module.__file__).read_text("utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.module != "__future__":
            base = "." * node.level + (node.module or "")
            parent = module.__name__ if hasattr(module, "__path__") else module.__name__.rpartition(".")[0]
            source = importlib.import_module(base, parent)
            for each in node.names:
                bound = getattr(module, each.asname or each.name)
                if not hasattr(source, each.name):
                    importlib.import_module(f"{base}.{each.name}", parent)
                wanted = getattr(source, each.name)
                assert bound is wanted, (module.__name__, each.name)
    for name in getattr(module, "__all__", ()):
        assert hasattr(module, name), (module.__name__, name)


def _check_models(effective: Document, package: str) -> None:
    """Check that each model has its fields, all methods of the base class, and writes the values that it reads."""
    model = importlib.import_module(f"{package}.model")
    models = importlib.import_module(f"{package}.models")
    by_keys = []
    for name in models.MODULES:
        made_class: Any = getattr(models, name)
        assert issubclass(made_class, model.Model)
        fields = model.fields_of[made_class]
        names = [each.name for each in fields]
        assert len(set(names)) == len(names)
        assert not set(names) & set(dir(model.Model)), name
        for member in ("to_dict", "to_multipart", "__repr__"):
            assert getattr(made_class, member) is getattr(model.Model, member)
        assert made_class.from_dict.__func__ is model.Model.from_dict.__func__
        by_keys.append(sorted(each.key for each in fields))
    schemas = effective["components"]["schemas"]
    wanted = [sorted(schema.get("properties", {})) for schema in schemas.values() if "enum" not in schema]
    for keys in by_keys:
        assert keys in wanted
    for name, schema in schemas.items():
        found = [each for each in models.MODULES if each.lower() == re.sub("[^a-z0-9]", "", name.lower())]
        if schema.get("type") != "object" or not found:
            continue
        value = sample(effective, schema)
        read = getattr(models, found[0]).from_dict(value)
        assert read.to_dict() == value
        assert getattr(models, found[0]).from_dict(read.to_dict()) == read
        assert read.additional_properties == {}
        again = getattr(models, found[0])(
            **{each.name: getattr(read, each.name) for each in model.fields_of[type(read)]}
        )
        assert again == read
        assert repr(again)


def sample(effective: Document, schema: dict[str, Any]) -> Any:
    """A value of a schema, with every property."""
    if "$ref" in schema:
        return sample(effective, effective["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return sample(effective, schema[key][0])
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    if kind == "object" or "properties" in schema:
        return {name: sample(effective, child) for name, child in schema.get("properties", {}).items()}
    if kind == "array":
        return [sample(effective, schema["items"])]
    first = kind[0] if isinstance(kind, list) else kind
    return {"integer": 7, "number": 1.5, "boolean": True, "null": None}.get(str(first), "text")


@attrs.define
class _Kept:
    """A transport that stores the request."""

    request: dict[str, Any] = attrs.field(factory=dict)

    def ask(self, endpoint: Any, /, *args: Any, **kwargs: Any) -> None:
        self.request = endpoint.build_request(*args, **kwargs)

    pages = ask


def _check_operation(effective: Document, package: str, path: str, operation: dict[str, Any]) -> None:
    """Check that each parameter is sent once, under its published name, by the function and by the method."""
    api = importlib.import_module(f"{package}.api")
    tag, name = operation["tags"][0], operation["operationId"]
    folder = strings.PythonIdentifier(tag, "tag")
    endpoint = importlib.import_module(f"{package}.api.{folder}.{name}")
    parameters = operation.get("parameters", [])
    signature = inspect.signature(endpoint.build_request).parameters
    arguments: dict[str, Any] = {}
    for number, (key, parameter) in enumerate(signature.items()):
        if key != "body":
            arguments[key] = 1000 + number if "int" in str(parameter.annotation) else f"v{number}"
    assert len(arguments) == len(parameters)
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    if "body" in signature:
        arguments["body"] = sample(effective, schema)
    _check_request(path, parameters, arguments, endpoint.build_request(**arguments))
    assert endpoint.build_request(**arguments)["json"] == arguments["body"]
    kept = _Kept()
    resources = [each for each in vars(api.API).values() if hasattr(each, "attrname")]
    owners = [getattr(api.API(kept), each.attrname) for each in resources]
    (resource,) = [each for each in owners if type(each).__module__ == f"{package}.api.{folder}"]
    assert vars(resource) == {"_transport": kept}
    method_name = operation["x-resource-method"]
    method = getattr(resource, method_name if method_name == "list" else strings.fix_reserved_words(method_name))
    method(**arguments)
    _check_request(path, parameters, arguments, kept.request)
    _check_keywords(method, arguments, set(signature))
    _check_answer(effective, operation, endpoint)


def _check_request(
    path: str, parameters: list[dict[str, Any]], arguments: dict[str, Any], request: dict[str, Any]
) -> None:
    values = {str(value) for name, value in arguments.items() if name != "body"}
    built = httpx.Client(base_url="https://api.example/base").build_request(**request)
    assert built.url.host == "api.example"
    sent: dict[str, list[tuple[str, str]]] = {
        "query": [(key, str(value)) for key, value in request.get("params", {}).items()],
        "header": [(key, value) for key, value in request.get("headers", {}).items() if key != "Content-Type"],
        "cookie": list(request.get("cookies", {}).items()),
    }
    assert sorted(parse_qsl(built.url.query.decode(), keep_blank_values=True)) == sorted(sent["query"])
    for key, value in sent["header"]:
        assert value in built.headers.get_list(key)
    for key, value in sent["cookie"]:
        assert f"{key}={value}" in built.headers["cookie"]
    (own,) = [each["name"] for each in parameters if each["in"] == "path"]
    before, after = path.split(f"{{{own}}}", 1)
    url = request["url"]
    assert url.startswith(before)
    assert url.endswith(after)
    sent["path"] = [(own, unquote(url[len(before) : len(url) - len(after)]))]
    for place, pairs in sent.items():
        assert sorted(name for name, _ in pairs) == sorted(each["name"] for each in parameters if each["in"] == place)
    assert sorted(value for pairs in sent.values() for _, value in pairs) == sorted(values)


def _check_keywords(method: Any, arguments: dict[str, Any], of_endpoint: set[str]) -> None:
    """Check that each property of a JSON body is a keyword argument of the method."""
    keywords = [name for name in inspect.signature(method).parameters if name not in of_endpoint]
    joined: list[dict[str, object]] = []

    def keep(body: object, fields: dict[str, object]) -> object:
        joined.append({key: value for key, value in fields.items() if value == "given"})
        return body

    calls = sys.modules[f"{method.__module__.partition('.')[0]}.calls"]
    with mock.patch.object(calls, "joined", keep):
        for name in keywords:
            method(**{**arguments, name: "given"})
    assert sorted(key for fields in joined for key in fields) == sorted(arguments["body"])


def _check_answer(effective: Document, operation: dict[str, Any], endpoint: Any) -> None:
    (success,) = [body for status, body in operation["responses"].items() if str(status).startswith("2")]
    value = sample(effective, success["content"]["application/json"]["schema"])
    parsed = endpoint.parse_response(httpx.Response(200, json=value))
    assert parsed.to_dict() == value
