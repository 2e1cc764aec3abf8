"""Stage 5, validate: checks that the effective specification is valid OpenAPI 3.1, and keeps all promises."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .documents import SCHEMA_PREFIX, Document, Schema, reachable, references, resolve
from .errors import RegenerationError
from .operations import Operations
from .schemas import is_object


def check_promises(document: Document, operations: Operations) -> None:
    """Raise RegenerationError if a reference, or a name in operations.yaml, has no target."""
    schemas = document.get("components", {}).get("schemas", {})
    _check_bodies(schemas, operations)
    _check_fields(schemas, operations)
    for reference in references(document):
        resolve(document, reference)
    for place, name in operations.parts.items():
        if SCHEMA_PREFIX + name not in reachable(document, schemas[place.split(".")[0]]):
            raise RegenerationError(
                f"spec/operations.yaml names {name}, but {place} no longer exists. "
                "Write its new place, or state it in spec/overlay.yaml."
            )


def _check_bodies(schemas: dict[str, Schema], operations: Operations) -> None:
    """Check that each named body exists and is an object."""
    for entry in operations.entries:
        for body in filter(None, (entry.request, entry.response)):
            if body.name not in schemas:
                raise RegenerationError(f"{entry}: its body {body.name} was removed by an overlay action.")
            if not is_object(schemas[body.name]) or {"anyOf", "oneOf", "allOf"} & set(schemas[body.name]):
                raise RegenerationError(
                    f"{entry}: its body {body.name} is no longer an object. "
                    "State its fields in spec/overlay.yaml, or remove its name from spec/operations.yaml."
                )


def _check_fields(schemas: dict[str, Schema], operations: Operations) -> None:
    """Check that each promised field exists in a response."""
    for name, fields in operations.promises.items():
        if name not in schemas:
            raise RegenerationError(
                f"spec/operations.yaml promises fields of {name}, but there is no such class. "
                "Remove it from `promises`, or state it in spec/overlay.yaml."
            )
        for field in fields:
            if field not in schemas[name].get("properties", {}):
                raise RegenerationError(
                    f"spec/operations.yaml promises {name}.{field}, but the specification has no such field. "
                    "Remove it from `promises`, or state it in spec/overlay.yaml."
                )
            if field not in schemas[name].get("required", []):
                raise RegenerationError(
                    f"{name}.{field} is promised, but {name} is not a response. Remove it from `promises`."
                )


def check_openapi(document: Document) -> None:
    """Raise RegenerationError, with the place, if the document is not valid OpenAPI 3.1."""
    # This slow import is seldom needed in this process.
    from openapi_spec_validator import OpenAPIV31SpecValidator

    try:
        error = next(iter(OpenAPIV31SpecValidator(document).iter_errors()), None)
    except Exception as unforeseen:
        raise RegenerationError(
            "The effective specification cannot be checked: it has something that the validator does not expect. "
            "Use another version."
        ) from unforeseen
    if error is not None:
        # For a schema, the validator has only the path inside of the schema.
        steps = tuple(map(str, getattr(error, "absolute_path", ())))
        where = _place(document, steps, getattr(error, "instance", None)) or ".".join(steps) or "the document"
        reason = " ".join(str(error.args[0]).partition("\n\nFailed validating")[0].split())[:300]
        raise RegenerationError(
            f"{where} is not valid OpenAPI 3.1: {reason}. Use another version, or correct a copy of it."
        )


def _place(document: Document, end: tuple[str, ...], wanted: object) -> str | None:
    """The place of a value with a path that ends with `end`."""
    todo: list[tuple[object, tuple[str, ...]]] = [(document, ())]
    while todo:
        node, steps = todo.pop()
        if node is wanted and steps[len(steps) - len(end) :] == end:
            return ".".join(steps)
        children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        todo += [(child, (*steps, str(key))) for key, child in children]
    return None


@contextmanager
def validated_beside(specification: Path) -> Iterator[None]:
    """Run the block while another process calls `check_openapi` for the document."""
    command = [sys.executable, "-m", "regeneration.validate", str(specification)]
    process = subprocess.Popen(
        command,
        cwd=Path(__file__).parent.parent,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    failure: RegenerationError | None = None
    try:
        yield
    except RegenerationError as error:
        # An error of the block may be the result of an invalid document, so the error of the validator comes first.
        failure = error
    except BaseException:
        process.kill()
        process.communicate()
        raise
    said, _ = process.communicate()
    if process.returncode != 0:
        raise RegenerationError(said.strip().rpartition("\n")[2] or "The validator was stopped before it had finished.")
    if failure is not None:
        raise failure


def main() -> int:
    """Check the document at the path that is the only argument, and print the error."""
    try:
        check_openapi(json.loads(Path(sys.argv[1]).read_text("utf-8")))
    except RegenerationError as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
