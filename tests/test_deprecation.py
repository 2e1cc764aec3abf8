"""Operations that the specification marks as deprecated: a warning on the line of each call, and nothing for others."""

from __future__ import annotations

import asyncio
import copy
import importlib
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
import typer
import yaml
from cekura_api.transport import Endpoint
from regeneration.documents import load
from regeneration.operations_file import load_operations
from regeneration.pipeline import derive
from regeneration.report import Report, compare, markdown, with_changes

from cekura_facade.cli import _operations
from cekura_facade.cli._api import OperationGroup, commands
from tests import regenerating
from tests.once import once

SPEC = Path(__file__).parent.parent / "spec"
PACKAGE = "deprecating"
PAGE = {
    "type": "object",
    "properties": {"results": {"type": "array", "items": {"type": "string"}}, "next": {"type": "string"}},
}
ENTRIES = """\
operations:
  - {name: see_thing, tag: things, method: get, path: "/v1/things/{id}/", resource_method: get}
  - {name: list_things, tag: things, method: get, path: /v1/things/, response: ThingPage, resource_method: list}
  - {name: see_other, tag: things, method: get, path: "/v1/others/{id}/", resource_method: other}
"""
IMPORT_EVERYTHING = f"""\
import pkgutil, {PACKAGE}
for module in pkgutil.walk_packages({PACKAGE}.__path__, "{PACKAGE}."):
    __import__(module.name)
from {PACKAGE}.api.things import see_thing
print(see_thing.build_request(7)["url"])
"""
USE = f"""\
from {PACKAGE}.api import API


def see(api: API) -> object:
    return api.things.get(7)
"""
WARNING = "The API has deprecated GET {}, and may remove it. Its description may name a replacement."
SEE = WARNING.format("/v1/things/{id}/ (see_thing)")
LIST = WARNING.format("/v1/things/ (list_things)")


def operation(schema: object, **others: object) -> dict[str, Any]:
    return {
        "parameters": [],
        **others,
        "responses": {"200": {"description": "", "content": {"application/json": {"schema": schema}}}},
    }


def document() -> dict[str, Any]:
    by_id = [{"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}]
    said = {"summary": 'See "a" thing', "description": "Use v2."}
    return {
        "openapi": "3.1.0",
        "info": {"title": "T", "version": "1"},
        "paths": {
            "/v1/things/{id}/": {"get": operation({"type": "string"}, parameters=by_id, deprecated=True, **said)},
            "/v1/things/": {"get": operation(PAGE, deprecated=True)},
            "/v1/others/{id}/": {"get": operation({"type": "string"}, parameters=by_id, deprecated=False)},
        },
    }


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a client for the document. It is made once in a run."""

    def make(folder: Path) -> None:
        (folder / "operations.yaml").write_text(ENTRIES)
        operations = load_operations(folder / "operations.yaml")
        effective = derive(document(), operations, {"overlay": "1.0.0", "actions": []}).effective
        (folder / "openapi.yaml").write_text(yaml.safe_dump(effective))
        regenerating.generate(folder / "openapi.yaml", SPEC / "generator.yaml", folder / PACKAGE)

    return once(tmp_path_factory, PACKAGE, make)


@pytest.fixture
def package(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(folder))
    yield importlib.import_module(PACKAGE)
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


class Blocking:
    def ask(self, endpoint: Endpoint[Any, Any], /, **kwargs: Any) -> Any:
        return endpoint.build_request(**kwargs)["url"]

    def pages(self, endpoint: Endpoint[Any, Any], /, **kwargs: Any) -> Iterator[Any]:
        return iter([endpoint.build_request(**kwargs)["url"]])


class Awaited(Blocking):
    async def ask(self, endpoint: Endpoint[Any, Any], /, **kwargs: Any) -> Any:
        return super().ask(endpoint, **kwargs)


def respond(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json={"results": []} if request.url.path == "/v1/things/" else "a")


def client_of(package: ModuleType) -> Any:
    made = importlib.import_module(f"{package.__name__}.client").Client(base_url="http://api.test")
    transport = httpx.MockTransport(respond)
    made.set_httpx_client(httpx.Client(transport=transport, base_url="http://api.test"))
    return made.set_async_httpx_client(httpx.AsyncClient(transport=transport, base_url="http://api.test"))


def module(package: ModuleType, name: str) -> Any:
    return importlib.import_module(f"{package.__name__}.api.things.{name}")


def methods(package: ModuleType, transport: object, prefix: str = "") -> Any:
    return getattr(importlib.import_module(f"{package.__name__}.api"), f"{prefix}API")(transport).things


@pytest.mark.parametrize(
    ("name", "call", "message"),
    [
        ("see_thing", lambda package: methods(package, Blocking()).get(7), SEE),
        ("list_things", lambda package: methods(package, Blocking()).list(), LIST),
        ("list_things, asyncio", lambda package: methods(package, Awaited(), "Async").list(), LIST),
        ("sync", lambda package: module(package, "see_thing").sync(7, client=client_of(package)), SEE),
        (
            "sync_detailed",
            lambda package: module(package, "list_things").sync_detailed(client=client_of(package)),
            LIST,
        ),
    ],
)
def test_each_call_warns_once_on_its_own_line(
    package: ModuleType, name: str, call: Callable[[ModuleType], object], message: str
) -> None:
    with warnings.catch_warnings(record=True, action="always") as caught:
        call(package)
        call(package)
    assert [str(each.message) for each in caught] == [message, message]
    assert {(each.category, each.filename, each.lineno) for each in caught} == {
        (DeprecationWarning, __file__, call.__code__.co_firstlineno)
    }


@pytest.mark.parametrize("name", ["asyncio", "asyncio_detailed", "get"])
def test_each_awaited_call_warns_once_on_its_own_line(package: ModuleType, name: str) -> None:
    endpoint, client = module(package, "see_thing"), client_of(package)
    things = methods(package, Awaited(), "Async")

    async def call() -> None:
        await (things.get(7) if name == "get" else getattr(endpoint, name)(7, client=client))

    with warnings.catch_warnings(record=True, action="always") as caught:
        asyncio.run(call())
    assert [(str(each.message), each.filename, each.lineno) for each in caught] == [
        (SEE, __file__, call.__code__.co_firstlineno + 1)
    ]


def test_an_operation_that_is_not_deprecated_does_not_warn(package: ModuleType) -> None:
    # Every warning is an error here.
    assert methods(package, Blocking()).other(7) == "/v1/others/7/"
    assert module(package, "see_other").sync(7, client=client_of(package)) == "a"
    assert "eprecated" not in module(package, "see_other").sync.__doc__


def test_what_is_imported_and_built_does_not_warn(folder: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", IMPORT_EVERYTHING]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("/v1/things/7/\n", "")


def test_the_docstrings_and_the_help_say_deprecated(package: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    for function in (module(package, "see_thing").sync, methods(package, Blocking()).get):
        assert function.__doc__.startswith('Deprecated. See "a" thing.\n')
    monkeypatch.setattr(_operations, "_package", lambda: Path(package.__path__[0]))
    for name in ("_modules", "_parsed", "_known_values"):  # They remember what they have read.
        monkeypatch.setattr(_operations, name, getattr(_operations, name).__wrapped__)
    listed = {each.name: each.summary for each in _operations.everything()}
    assert listed["see_thing"] == 'Deprecated. See "a" thing'
    assert not listed["see_other"].startswith("Deprecated")
    group = typer.main.get_command(commands)
    assert isinstance(group, OperationGroup)
    command = group.get_command(typer.Context(group), "see_thing")
    assert command is not None
    assert (command.help or "").startswith('Deprecated. See "a" thing.\n\nUse v2.\n')


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_type_checkers_do_not_report_the_call(folder: Path, tmp_path: Path, checker: str) -> None:
    (tmp_path / "use_it.py").write_text(USE)
    (tmp_path / "mypy.ini").write_text(f"[mypy]\nstrict = true\nmypy_path = {folder}\n")
    (tmp_path / "pyrightconfig.json").write_text(f'{{"typeCheckingMode": "strict", "extraPaths": ["{folder}"]}}')
    command = [sys.executable, "-m", checker, "use_it.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_report_and_the_changelog_list_an_operation_that_becomes_deprecated() -> None:
    new = load(SPEC / "openapi.yaml")
    old = copy.deepcopy(new)
    [item] = [item for path, item in new["paths"].items() if path.endswith("/metrics/{id}/")]
    item["get"]["deprecated"] = True
    report = Report(compare(old, new))
    assert [(change.kind, change.what) for change in report.changes] == [
        ("added", "`get_metric()` is deprecated: a call raises a DeprecationWarning")
    ]
    assert report.bump == "minor"
    assert "- New: nothing\n\n## Deprecated\n\n- `get_metric()` is deprecated" in markdown(report)
    changelog = with_changes("# Changelog\n", report)
    assert "### Deprecated\n\n- `get_metric()` is deprecated" in changelog
    assert "### Added" not in changelog
    assert [change.what for change in compare(new, old)] == ["`get_metric()` is no longer deprecated"]
