"""The stages one after the other: from a published document to the effective specification and the client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import attrs

from .documents import Document, dump, load
from .generate import generate
from .lenience import make_lenient
from .normalise import normalise
from .operations import Operations, load_operations
from .overlay import AppliedAction, apply_overlay
from .select import select
from .validate import validate

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

    upstream: Document
    effective: Document
    rules_fired: dict[str, int]
    overlay_actions: tuple[AppliedAction, ...]


def derive(published: Document, operations: Operations, overlay: Document) -> Derivation:
    """Select, normalise, overlay, make lenient, validate."""
    upstream = select(published, operations)
    normal, fired = normalise(upstream, operations)
    overlaid, actions = apply_overlay(normal, overlay)
    effective, fired_after = make_lenient(overlaid, operations)
    validate(effective, operations)
    return Derivation(upstream, effective, fired | fired_after, tuple(actions))


def build(published: Document, spec: Path, target: Path, *, package: str = PACKAGE) -> Derivation:
    """Derive and generate into `target`, which then holds the two derived documents and the package."""
    derivation = derive(published, load_operations(spec / "operations.yaml"), load(spec / "overlay.yaml"))
    target.joinpath("upstream.yaml").write_text(dump(derivation.upstream, UPSTREAM_HEADING), encoding="utf-8")
    specification = target / "openapi.yaml"
    specification.write_text(dump(derivation.effective, EFFECTIVE_HEADING), encoding="utf-8")
    generate(specification, spec / "generator.yaml", target / package)
    return derivation


def differing_files(made: Path, committed: Path) -> list[Path]:
    """The files, below either folder, that are not the same in both; bytecode left out."""

    def below(folder: Path) -> Iterator[Path]:
        return (f.relative_to(folder) for f in folder.rglob("*") if f.is_file() and "__pycache__" not in f.parts)

    def same(file: Path) -> bool:
        one, other = made / file, committed / file
        return one.is_file() and other.is_file() and one.read_bytes() == other.read_bytes()

    return sorted(file for file in {*below(made), *below(committed)} if not same(file))


def scratch(near: Path) -> TemporaryDirectory[str]:
    """A temporary folder on the same file system, so that what is made there can be moved into place at once."""
    near.mkdir(parents=True, exist_ok=True)
    return TemporaryDirectory(prefix=".regenerate-", dir=near, ignore_cleanup_errors=True)
