"""Adding an operation is one entry and one command. Then both clients have it, with retries and errors."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from regeneration.documents import dump, load

from tests import regenerating
from tests.regenerating import ROOT

METRICS = "/test_framework/v1/metrics/"
FOLDER: dict[str, Any] = {
    "type": "object",
    "properties": {"id": {"type": "integer"}, "title": {"type": "string"}, "reason": {"type": "string"}},
}
ENTRIES = """
  - name: archive_folder
    tag: folders
    method: post
    path: /test_framework/v1/folders/{id}/archive/
    request: ArchiveRequest
    response: Folder
    resource_method: archive
    idempotent: true
    parameters: {id: folder_id}
"""
PROMISE = "  Folder: [id, title]\n"
PROGRAM = """
import asyncio
from cekura_facade import AsyncCekura, Cekura, InvalidRequestError, NotFoundError, UnexpectedResponseError
from tests.support import reply, scripted

AGAIN, GONE = reply(503, b"", {"Retry-After": "0"}), reply(404, {"detail": "no folder"})
GOOD, WRONG = reply(200, {"id": 7, "title": "Old"}), reply(200, {"id": 7})


def check(call, received):
    folder = call(7, reason="unused", max_age=3)
    assert (folder.id, folder.title) == (7, "Old")
    assert [request.path for request in received] == ["/test_framework/v1/folders/7/archive/"] * 2
    assert received[1].json == {"reason": "unused", "max_age": 3}
    for error in (NotFoundError, UnexpectedResponseError):
        try:
            call(7, {"reason": "unused"})
        except error as caught:
            assert "no folder" in str(caught) or "Folder.title is missing" in str(caught), caught
        else:
            raise AssertionError(error)
    sent = len(received)
    for arguments, error in (((0,), InvalidRequestError), ((7,), InvalidRequestError)):
        try:
            call(*arguments, **({"reason": "x"} if arguments == (0,) else {"max_age": 100}))
        except error:
            pass
        else:
            raise AssertionError(arguments)
    try:
        call(7, raeson="x")
    except TypeError:
        pass
    else:
        raise AssertionError("a misspelt keyword")
    assert len(received) == sent


with scripted(AGAIN, GOOD, GONE, WRONG) as server, Cekura("key", base_url=server.url) as cekura:
    check(cekura.folders.archive, server.received)
    assert "folder_id" in cekura.folders.archive.__doc__
with scripted(AGAIN, GOOD, GONE, WRONG) as server, asyncio.Runner() as runner:
    cekura = AsyncCekura("key", base_url=server.url)
    check(lambda *args, **options: runner.run(cekura.folders.archive(*args, **options)), server.received)
    runner.run(cekura.aclose())
LISTED, UPDATED = reply(200, []), reply(200, {"id": 5, "name": "x"})
with scripted(LISTED, UPDATED) as server, Cekura("key", base_url=server.url) as cekura:
    cekura.metrics.list(agent_id=1, brand_new=True)
    cekura.metrics.update(5, tone="kind")
    assert server.received[0].path.endswith("?agent_id=1&brand_new=true"), server.received[0].path
    assert server.received[1].json == {"tone": "kind"}
with scripted(LISTED, UPDATED) as server, asyncio.Runner() as runner:
    cekura = AsyncCekura("key", base_url=server.url)
    runner.run(cekura.metrics.list(agent_id=1, brand_new=True))
    runner.run(cekura.metrics.update(5, tone="kind"))
    assert server.received[0].path.endswith("?agent_id=1&brand_new=true")
    assert server.received[1].json == {"tone": "kind"}
    runner.run(cekura.aclose())
print("checked")
"""


def publish(checkout: Path) -> Path:
    """A document with an operation that is not covered, a new query parameter, and a new field of a body."""
    published = load(ROOT / "spec" / "upstream.yaml")
    published["paths"]["/test_framework/v1/folders/{id}/archive/"] = {
        "post": {
            "operationId": "folders_archive_create",
            "summary": "Archive a folder",
            "parameters": [{"in": "path", "name": "id", "required": True, "schema": {"type": "integer"}}],
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {
                        "schema": {
                            "type": "object",
                            "properties": {
                                "reason": {"type": "string"},
                                "max_age": {"type": "integer", "maximum": 99},
                            },
                            "required": ["reason"],
                        }
                    }
                },
            },
            "responses": {"200": {"description": "", "content": {"application/json": {"schema": FOLDER}}}},
        }
    }
    published["paths"][METRICS]["get"]["parameters"].append(
        {"in": "query", "name": "brand_new", "schema": {"type": "boolean"}}
    )
    update = published["paths"][f"{METRICS}{{id}}/"]["patch"]["requestBody"]["content"]["application/json"]["schema"]
    schema = published["components"]["schemas"][update["$ref"].rpartition("/")[2]]
    schema["properties"]["tone"] = {"type": "string"}
    file = checkout / "published.yaml"
    file.write_text(dump(published), encoding="utf-8")
    return file


def test_one_command_adds_an_operation_a_parameter_and_a_field(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    checkout = regenerating.copied_checkout(tmp_path_factory, tmp_path / "checkout")
    covered = checkout / "spec" / "operations.yaml"
    text = covered.read_text("utf-8")
    text = text.replace("operations:\n", f"operations:{ENTRIES}", 1).replace("promises:\n", f"promises:\n{PROMISE}", 1)
    assert len(yaml.safe_load(text)["operations"]) == len(yaml.safe_load(covered.read_text("utf-8"))["operations"]) + 1
    covered.write_text(text, encoding="utf-8")
    result = regenerating.run(checkout, publish(checkout))
    assert result.returncode == 0, result.stderr
    path = os.pathsep.join(map(str, (checkout / "generated_client", ROOT)))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "checked\n", done.stderr
