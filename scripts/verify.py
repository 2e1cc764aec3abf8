"""Generate all of a published specification, and count what works.

python scripts/verify.py openapi.json

Prints how many operations and schemas were generated, how many modules import, how many body builders send one body
(JSON wherever it is declared), how many successes keep their result, and what mypy says. Exit code 0 if nothing is
missing.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import attrs
import httpx
from openapi_python_client.strings import ClassName
from regeneration.documents import JSON, Document, is_success, load_specification, operations
from regeneration.errors import RegenerationError
from regeneration.operations import load_operations
from regeneration.pipeline import build
from regeneration.schemas import is_object
from regeneration.select import ALL, choose

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "verified_client"
SAMPLES: tuple[Any, ...] = ({"verified": 1}, [{"verified": 1}], "text")


@attrs.define
class Count:
    """So many of so many; the first ones that are missing are named."""

    what: str
    wanted: int = 0
    missing: list[str] = attrs.field(factory=list)

    def add(self, name: str, problem: str | None) -> None:
        """Count one, which is missing if it has a problem."""
        self.wanted += 1
        if problem is not None:
            self.missing.append(f"{name}: {problem}")

    def __str__(self) -> str:
        return f"{self.wanted - len(self.missing):5} of {self.wanted:5} {self.what}"


class _AnyBody:
    """Stands for whatever a body builder wants to be given."""

    def to_dict(self) -> dict[str, Any]:
        return {}

    def to_multipart(self) -> list[Any]:
        return []

    def __iter__(self) -> Iterator[Any]:
        return iter(())


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
        print(f"verify: {error}", file=sys.stderr)
        return 2
    for count in counts:
        print(count)
        for line in count.missing[:10]:
            print(f"        {line}")
    print(f"mypy: {types}")
    return 1 if any(count.missing for count in counts) or not types.startswith("Success") else 0


def verify(published: Document) -> list[Count]:
    """Import the generated package, and call what can be called without a server."""
    generated, schemas = Count("operations generated"), Count("schemas generated")
    imported, bodies = Count("modules import"), Count("body builders send one body, JSON where it is declared")
    results = Count("successes keep their result")
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
    models = modules.get(f"{PACKAGE}.models.__init__") or importlib.import_module(f"{PACKAGE}.models")
    for name, schema in published.get("components", {}).get("schemas", {}).items():
        # What is no object has no class of its own: it is a union, a list or a text where it is used.
        is_there = not is_object(schema) or hasattr(models, str(ClassName(name, "field_")))
        schemas.add(name, None if is_there else "no class")
    covered = load_operations(ROOT / "spec" / "operations.yaml")
    names = {(entry.method, entry.path): entry for entry in choose(published, covered, ALL).entries}
    client = importlib.import_module(PACKAGE).Client(base_url="http://127.0.0.1:1")
    for method, path, operation in operations(published):
        entry = names[method, path]
        label = f"{method.upper()} {path}"
        module = modules.get(f"{PACKAGE}.api.{entry.tag}.{entry.name}")
        generated.add(label, None if module else "no module")
        if module is None:
            continue
        if operation.get("requestBody"):
            bodies.add(label, body_problem(module, operation))
        for status, body in (operation.get("responses") or {}).items():
            if is_success(status) and status not in ("204", "205"):
                code = int(str(status).replace("XX", "00"))
                results.add(f"{label} {status}", result_problem(module, client, code, body))
    return [generated, schemas, imported, bodies, results]


def body_problem(module: ModuleType, operation: dict[str, Any]) -> str | None:
    """What is wrong with the request that a body builder makes, None if nothing is."""
    arguments: dict[str, Any] = {"body": _AnyBody()}
    for name, parameter in inspect.signature(module._get_kwargs).parameters.items():
        if name != "body" and parameter.default is inspect.Parameter.empty:
            wants_time = "datetime" in str(parameter.annotation)
            arguments[name] = datetime.now(UTC) if wants_time else "1"
    try:
        request = module._get_kwargs(**arguments)
    except Exception as error:  # noqa: BLE001 - Whatever is raised is counted as a problem.
        return repr(error)
    sent = sorted({"json", "files", "data", "content"} & set(request))
    declared = operation["requestBody"].get("content") or {JSON: {}}
    multipart_only = list(declared) == ["multipart/form-data"]
    wanted = "files" if multipart_only else "json"
    return None if sent == [wanted] else f"sends {sent}, not {wanted}"


def result_problem(module: ModuleType, client: Any, status: int, body: dict[str, Any]) -> str | None:
    """What is wrong with what comes back for a success, None if nothing is."""
    if body.get("content") and JSON not in body["content"]:
        return None
    problem = "no result"
    for sample in SAMPLES:
        try:
            response = httpx.Response(status, json=sample, request=httpx.Request("GET", "http://127.0.0.1:1/"))
            if module._build_response(client=client, response=response).parsed is not None:
                return None
        except Exception as error:  # noqa: BLE001 - Whatever is raised is counted as a problem.
            problem = repr(error)
    return problem


def run_mypy(folder: Path) -> str:
    """The last line of what mypy says about the package."""
    command = [sys.executable, "-m", "mypy", "--cache-dir", os.devnull, "--config-file", os.devnull, PACKAGE]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).strip().rpartition("\n")[2]


if __name__ == "__main__":
    sys.exit(main())
