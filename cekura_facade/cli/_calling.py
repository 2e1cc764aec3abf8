"""Implements `api`: lists the operations, and calls one."""

from __future__ import annotations

import dataclasses
import importlib
import sys
from pathlib import Path

from cekura_api.calls import plain
from cekura_api.types import File

from cekura_facade import Cekura

from . import _operations, _records
from ._operations import Operation
from ._report import Report
from ._values import Passed, arguments


def show_operations(report: Report) -> None:
    """List the operations of the API."""
    operations = [
        {"name": each.name, "method": each.method, "path": each.path, "summary": each.summary}
        for each in _operations.everything()
    ]
    report.document = operations
    _records.show_rows(
        report, [(each["name"], f"{each['method']} {each['path']}", each["summary"]) for each in operations]
    )


def call_operation(report: Report, operation: Operation, passed: Passed, data: Path | None) -> None:
    """Call an operation, and print the response."""
    endpoint = importlib.import_module(f"cekura_api.api.{operation.tag}.{operation.name}")
    given = arguments(operation, endpoint, passed, data)
    with Cekura(**report.options.client()) as cekura:
        result = cekura.transport.ask(endpoint, **given)
    if isinstance(result, File):
        # A file is printed unchanged instead of as JSON.
        report.options = dataclasses.replace(report.options, as_json=False)
        sys.stdout.buffer.write(result.payload.read())
        return
    report.document = plain(result)
