"""Generate all of a published specification, and count what works.

python scripts/verify.py openapi.json

Prints how many operations and schemas were generated, how many operations are methods of both resource classes, how
many modules can be imported, how many body builders send one body (JSON wherever it is declared), how many successes
keep their result, and the result of mypy. The exit code is 0 if nothing is missing.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import importlib
import inspect
import io
import os
import subprocess
import sys
import types
import uuid
import warnings
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any, Literal, get_args, get_origin

import attrs
import httpx
from regeneration.documents import JSON, Document, is_success, load_specification, operations
from regeneration.errors import RegenerationError
from regeneration.escaping import as_line
from regeneration.naming import bare
from regeneration.operations import Operation
from regeneration.operations_file import load_operations
from regeneration.pipeline import build
from regeneration.schemas import is_object
from regeneration.select import ALL, choose

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "verified_client"


@attrs.define
class Count:
    """A count of objects that work, out of all objects, with the problems of the others."""

    what: str
    wanted: int = 0
    missing: list[str] = attrs.field(factory=list)

    def add(self, name: str, problem: str | None) -> None:
        """Count one object. If it has a problem, it does not work."""
        self.wanted += 1
        if problem is not None:
            self.missing.append(f"{name}: {problem}")

    def __str__(self) -> str:
        return f"{self.wanted - len(self.missing):5} of {self.wanted:5} {self.what}"


class Fake:
    """A transport that builds and stores the requests of endpoints, and sends nothing."""

    request: dict[str, object] | None = None

    def ask(self, endpoint: ModuleType, **arguments: object) -> None:
        """Keep the request."""
        self.request = endpoint.build_request(**arguments)

    pages = ask


class AsyncFake:
    """The same for the asynchronous classes."""

    request: dict[str, object] | None = None

    async def ask(self, endpoint: ModuleType, **arguments: object) -> None:
        """Keep the request."""
        self.request = endpoint.build_request(**arguments)

    def pages(self, endpoint: ModuleType, **arguments: object) -> None:
        """Keep the request."""
        self.request = endpoint.build_request(**arguments)


def main() -> int:
    """Verify one specification. Returns 0 if nothing is missing, 1 otherwise, 2 if it is refused."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("specification", help="path or http(s) URL of an OpenAPI document")
    try:
        published = load_specification(parser.parse_args().specification)
        with TemporaryDirectory() as folder:
            build(published, ROOT / "spec", Path(folder), package=PACKAGE, selection=ALL)
            sys.path.insert(0, folder)
            counts = verify(published)
            types = run_mypy(Path(folder))
    except RegenerationError as error:
        print(as_line(f"verify: {error}"), file=sys.stderr)
        return 2
    for count in counts:
        print(count)
        for line in count.missing[:10]:
            print(f"        {as_line(line)}")
    print(as_line(f"mypy: {types}"))
    return 1 if any(count.missing for count in counts) or not types.startswith("Success") else 0


def verify(published: Document) -> list[Count]:
    """Import the generated package, and call what can be called without a server."""
    generated, schemas = Count("operations generated"), Count("schemas generated")
    imported, bodies = Count("modules import"), Count("body builders send one body, JSON where it is declared")
    results, methods = Count("successes keep their result"), Count("operations are resource methods, twice")
    modules: dict[str, ModuleType] = {}
    root = Path(sys.path[0], PACKAGE)
    for file in sorted(root.rglob("*.py")):
        name = ".".join(file.relative_to(root.parent).with_suffix("").parts)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                modules[name] = importlib.import_module(name)
            imported.add(name, None)
        except Exception as error:  # noqa: BLE001 - Whatever is raised is counted as a problem.
            imported.add(name, repr(error))
    models = importlib.import_module(f"{PACKAGE}.models")
    classes = {bare(name) for name in dir(models)}
    for name, schema in published.get("components", {}).get("schemas", {}).items():
        # Only objects have classes. Other schemas are unions, lists or strings where they are used. A class is numbered
        # if generated code already uses its name.
        is_there = not is_object(schema) or {bare(name), f"{bare(name)}2"} & classes
        schemas.add(name, None if is_there else "no class")
    covered = load_operations(ROOT / "spec" / "operations.yaml")
    entries = {(entry.method, entry.path): entry for entry in choose(published, covered, ALL).entries}
    for method, path, operation in operations(published):
        entry = entries[method, path]
        label = f"{method.upper()} {path}"
        module = modules.get(f"{PACKAGE}.api.{entry.tag}.{entry.name}")
        generated.add(label, None if module else "no module")
        if module is None:
            continue
        methods.add(label, method_problem(module, entry))
        if operation.get("requestBody"):
            bodies.add(label, body_problem(module, operation))
        for status, body in (operation.get("responses") or {}).items():
            if is_success(status) and status not in ("204", "205"):
                code = int(str(status).replace("XX", "00"))
                results.add(f"{label} {status}", result_problem(module, code, body))
    return [generated, methods, schemas, imported, bodies, results]


def method_problem(module: ModuleType, entry: Operation) -> str | None:
    """The problem of the methods of both resource classes, or None."""
    api = importlib.import_module(f"{PACKAGE}.api")
    arguments = required_arguments(module.build_request)
    requests = []
    for kind, transport in ((api.API, Fake()), (api.AsyncAPI, AsyncFake())):
        try:
            result = getattr(getattr(kind(transport), entry.tag), str(entry.resource_method))(**arguments)
            if inspect.iscoroutine(result):
                asyncio.run(result)
        except Exception as error:  # noqa: BLE001 - Whatever is raised is the problem.
            return repr(error)
        requests.append(transport.request)
    if requests[0] is None or requests[0] != requests[1]:
        return f"sends {requests[0]} and {requests[1]}"
    return None if requests[0]["method"] == entry.method else f"sends {requests[0]}"


def body_problem(module: ModuleType, operation: dict[str, Any]) -> str | None:
    """The problem of the request that a body builder creates, or None."""
    arguments = required_arguments(module.build_request)
    try:
        request = module.build_request(**arguments)
    except Exception as error:  # noqa: BLE001 - Whatever is raised is the problem.
        return repr(error)
    sent = sorted({"json", "files", "data", "content"} & set(request))
    declared = operation["requestBody"].get("content") or {JSON: {}}
    multipart_only = list(declared) == ["multipart/form-data"]
    wanted = "files" if multipart_only else "json"
    return None if sent == [wanted] else f"sends {sent}, not {wanted}"


def result_problem(module: ModuleType, status: int, body: dict[str, Any]) -> str | None:
    """The problem of the result for a success, or None."""
    if body.get("content") and JSON not in body["content"]:
        return None
    value = json_sample(inspect.signature(module.parse_response).return_annotation)
    try:
        result = module.parse_response(httpx.Response(status, json=value))
    except Exception as error:  # noqa: BLE001 - Whatever is raised is the problem.
        return repr(error)
    return "no result" if result is None else None


def required_arguments(function: Callable[..., object]) -> dict[str, Any]:
    """A value for each parameter that has no default, and for the body."""
    return {
        name: sample(parameter.annotation)
        for name, parameter in inspect.signature(function).parameters.items()
        if name == "body" or parameter.default is inspect.Parameter.empty
    }


def sample(kind: Any) -> Any:
    """A value of a type as a caller passes it."""
    model = importlib.import_module(f"{PACKAGE}.model").Model
    file = importlib.import_module(f"{PACKAGE}.types").File
    if kind is file:
        return file(io.BytesIO(b"verified"))
    if isinstance(kind, type) and issubclass(kind, model):
        fields = importlib.import_module(f"{PACKAGE}.model").fields_of[kind]
        made = kind(**{each.name: sample(each.kind) for each in fields if each.is_required})
        made.additional_properties["verified"] = 1
        return made
    if get_origin(kind) is types.UnionType:
        return sample(get_args(kind)[0])
    if get_origin(kind) is list:
        return [sample(get_args(kind)[0])]
    times = {dt.datetime: dt.datetime.now(dt.UTC), dt.date: dt.date(2026, 1, 1)}
    return times.get(kind) or json_sample(kind)


def json_sample(kind: Any) -> Any:
    """A JSON value of a type."""
    model = importlib.import_module(f"{PACKAGE}.model")
    if isinstance(kind, type) and issubclass(kind, model.Model):
        required = {each.key: json_sample(each.kind) for each in model.fields_of[kind] if each.is_required}
        return {**required, "verified": 1}
    arguments = get_args(kind)
    if get_origin(kind) is list:
        return [json_sample(arguments[0])]
    if get_origin(kind) is Literal:
        return arguments[0]
    if arguments:
        return json_sample(arguments[0])
    simple = {str: "1", int: 1, float: 1.5, bool: True, dt.datetime: "2026-01-01T00:00:00+00:00"}
    return {**simple, dt.date: "2026-01-01", uuid.UUID: str(uuid.UUID(int=1))}.get(kind, {"verified": 1})


def run_mypy(folder: Path) -> str:
    """The last line of the output of mypy for the package."""
    command = [sys.executable, "-m", "mypy", "--cache-dir", os.devnull, "--config-file", os.devnull, PACKAGE]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).strip().rpartition("\n")[2]


if __name__ == "__main__":
    sys.exit(main())
