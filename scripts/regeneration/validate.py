"""Stage 5, validate: the effective specification is valid OpenAPI 3.1, and holds all that the client promises."""

from __future__ import annotations

from .documents import Document, references, resolve
from .errors import RegenerationError
from .operations import Operations


def check_promises(document: Document, operations: Operations) -> None:
    """Raise RegenerationError when something is referred to, or named by operations.yaml, that is not there."""
    for reference in references(document):
        resolve(document, reference)
    schemas = document.get("components", {}).get("schemas", {})
    for entry in operations.entries:
        for body in (entry.request, entry.response):
            if body is not None and body.name not in schemas:
                raise RegenerationError(f"{entry}: its body {body.name} is missing: an overlay action removed it.")
    for place, name in operations.parts.items():
        if name not in schemas:
            raise RegenerationError(
                f"spec/operations.yaml names {name}, but there is nothing at {place} any more. "
                "Give its new place, or state it in spec/overlay.yaml."
            )


def check_openapi(document: Document) -> None:
    """Raise RegenerationError, saying where, when the document is not valid OpenAPI 3.1."""
    # Imported where it is used, which is a process of its own when a client is built: it takes its time.
    from openapi_spec_validator import OpenAPIV31SpecValidator

    for error in OpenAPIV31SpecValidator(document).iter_errors():
        where = "/".join(str(part) for part in getattr(error, "absolute_path", ())) or "the document"
        reason = str(error.args[0]).replace("\n", " ")[:300]
        raise RegenerationError(f"The effective specification is not valid OpenAPI 3.1, at {where}: {reason}")
