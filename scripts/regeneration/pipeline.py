"""The stages one after the other: from a published document to the effective specification and the client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import attrs

from .documents import Document, dump, load
from .errors import OperationError, RegenerationError
from .generate import generate
from .lenience import make_lenient
from .normalise import normalise
from .operations import Operations, load_operations
from .overlay import AppliedAction, apply_overlay, drop_unused
from .select import ALL, EXPOSED, choose, select
from .validate import check_promises, validated_beside

PACKAGE = "generated_client"
UPSTREAM_HEADING = (
    "The part of the published Cekura API that this client covers, as it is published, faults included.\n"
    "`python scripts/regenerate.py SPECIFICATION` takes it from a published document."
)
EFFECTIVE_HEADING = (
    "The effective specification, the generator's only input. Do not edit: `python scripts/regenerate.py` derives it\n"
    "from upstream.yaml, operations.yaml and overlay.yaml."
)


@attrs.frozen
class Derivation:
    """What the stages before generation gave: the covered part, the effective specification, and what was mended."""

    operations: Operations
    upstream: Document
    effective: Document
    rules_fired: dict[str, int]
    overlay_actions: tuple[AppliedAction, ...]
    left_out: tuple[OperationError, ...] = ()  # why an optional operation is not in it


def derive(published: Document, covered: Operations, overlay: Document, selection: str = "") -> Derivation:
    """Select, normalise, overlay, make lenient; and check what can be checked at once."""
    left_out: list[OperationError] = []
    try:
        operations = choose(published, covered, selection)
        while True:
            try:
                return attrs.evolve(_derive(published, operations, overlay), left_out=tuple(left_out))
            except OperationError as error:
                if not error.operation.optional:
                    raise
                left_out.append(error)
                operations = operations.without(error.operation)
    except (TypeError, AttributeError, KeyError, ValueError, RecursionError) as error:
        # Something stands where OpenAPI has something else, and no rule knows of it.
        raise RegenerationError(f"The specification is malformed: {type(error).__name__}: {error}.") from error


def _derive(published: Document, operations: Operations, overlay: Document) -> Derivation:
    upstream = select(published, operations)
    normal, fired = normalise(upstream, operations)
    overlaid, actions = apply_overlay(normal, overlay)
    drop_unused(overlaid, normal)
    effective, fired_after = make_lenient(overlaid, operations)
    check_promises(effective, operations)
    return Derivation(operations, upstream, effective, fired | fired_after, tuple(actions))


def build(
    published: Document, spec: Path, target: Path, *, package: str = PACKAGE, selection: str = "operations.yaml"
) -> Derivation:
    """Derive, and generate the package into `target` while the specification is validated."""
    chosen = spec / "operations.yaml" if selection in (ALL, EXPOSED, "operations.yaml") else Path(selection)
    covered = load_operations(chosen)
    derivation = derive(published, covered, load(spec / "overlay.yaml"), selection)
    # The same document as JSON, which the generator reads many times faster than YAML.
    with TemporaryDirectory() as folder:
        specification = Path(folder, "openapi.json")
        specification.write_text(json.dumps(derivation.effective), encoding="utf-8")
        with validated_beside(specification):
            generate(specification, spec / "generator.yaml", target / package)
    return derivation


def write_documents(derivation: Derivation, target: Path) -> None:
    """Write upstream.yaml and openapi.yaml."""
    target.joinpath("upstream.yaml").write_text(dump(derivation.upstream, UPSTREAM_HEADING), encoding="utf-8")
    target.joinpath("openapi.yaml").write_text(dump(derivation.effective, EFFECTIVE_HEADING), encoding="utf-8")


def differing_files(made: Path, committed: Path) -> list[Path]:
    """The files, below either folder, that are not the same in both; bytecode left out."""

    def below(folder: Path) -> Iterator[Path]:
        return (f.relative_to(folder) for f in folder.rglob("*") if f.is_file() and "__pycache__" not in f.parts)

    def same(file: Path) -> bool:
        one, other = made / file, committed / file
        return one.is_file() and other.is_file() and one.read_bytes() == other.read_bytes()

    return sorted(file for file in {*below(made), *below(committed)} if not same(file))
