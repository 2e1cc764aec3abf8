"""Stage 5, validate: the effective specification is valid OpenAPI 3.1, and has everything that the client promises."""

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
    """Raise RegenerationError if a reference, or a name in operations.yaml, leads to nothing."""
    schemas = document.get("components", {}).get("schemas", {})
    _check_bodies(schemas, operations)
    _check_fields(schemas, operations)
    for reference in references(document):
        resolve(document, reference)
    for place, name in operations.parts.items():
        if SCHEMA_PREFIX + name not in reachable(document, schemas[place.split(".")[0]]):
            raise RegenerationError(
                f"spec/operations.yaml names {name}, but there is nothing at {place} any more. "
                "Give its new place, or state it in spec/overlay.yaml."
            )


def _check_bodies(schemas: dict[str, Schema], operations: Operations) -> None:
    """Each named body exists, and is an object."""
    for entry in operations.entries:
        for body in filter(None, (entry.request, entry.response)):
            if body.name not in schemas:
                raise RegenerationError(f"{entry}: its body {body.name} is missing: an overlay action removed it.")
            if not is_object(schemas[body.name]) or {"anyOf", "oneOf", "allOf"} & set(schemas[body.name]):
                raise RegenerationError(
                    f"{entry}: its body {body.name} is no longer an object. "
                    "Say in spec/overlay.yaml what it holds, or take its name out of spec/operations.yaml."
                )


def _check_fields(schemas: dict[str, Schema], operations: Operations) -> None:
    """Each promised field exists, in a response."""
    for name, fields in operations.promises.items():
        if name not in schemas:
            raise RegenerationError(
                f"spec/operations.yaml promises fields of {name}, but there is no such class. "
                "Take it out of `promises`, or state it in spec/overlay.yaml."
            )
        for field in fields:
            if field not in schemas[name].get("properties", {}):
                raise RegenerationError(
                    f"spec/operations.yaml promises {name}.{field}, but the specification has no such field. "
                    "Take it out of `promises`, or state it in spec/overlay.yaml."
                )
            if field not in schemas[name].get("required", []):
                raise RegenerationError(f"{name}.{field} is promised, but {name} is not a response.")


def check_openapi(document: Document) -> None:
    """Raise RegenerationError, saying where, when the document is not valid OpenAPI 3.1."""
    # Imported where it is used, which is seldom in this process: it takes its time.
    from openapi_spec_validator import OpenAPIV31SpecValidator

    try:
        error = next(iter(OpenAPIV31SpecValidator(document).iter_errors()), None)
    except Exception as unforeseen:
        raise RegenerationError(
            "The effective specification cannot be checked: it has something that the validator does not expect. "
            "Use another version."
        ) from unforeseen
    if error is not None:
        # Of a schema, the validator knows only the path inside of it.
        steps = tuple(map(str, getattr(error, "absolute_path", ())))
        where = _place(document, steps, getattr(error, "instance", None)) or ".".join(steps) or "the document"
        reason = " ".join(str(error.args[0]).partition("\n\nFailed validating")[0].split())[:300]
        raise RegenerationError(
            f"{where} is not valid OpenAPI 3.1: {reason}. Use another version, or correct a copy of it."
        )


def _place(document: Document, end: tuple[str, ...], wanted: object) -> str | None:
    """The place of a value, whose path ends in `end`."""
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
    """Run the block while another process runs `check_openapi` on the document."""
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
        # What is not valid may fail to generate as well, for a reason that is harder to understand.
        failure = error
    except BaseException:
        process.kill()
        process.communicate()
        raise
    said, _ = process.communicate()
    if process.returncode != 0:
        raise RegenerationError(said.strip().rpartition("\n")[2] or "The validator was ended before it was done.")
    if failure is not None:
        raise failure


def main() -> int:
    """Check the document whose path is the only argument, and print what is wrong with it."""
    try:
        check_openapi(json.loads(Path(sys.argv[1]).read_text("utf-8")))
    except RegenerationError as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
