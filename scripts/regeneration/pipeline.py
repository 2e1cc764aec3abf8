"""Runs all stages, from a published document to the effective specification and the client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import attrs

from .documents import Document, dump, load
from .errors import RegenerationError
from .generate import generate
from .interface import KNOWN_VALUE, Member, interface
from .lenience import make_lenient
from .locate import moves
from .normalise import normalise
from .operations import Operation, Operations
from .operations_file import load_operations
from .overlay import AppliedAction, apply_overlay, drop_unused
from .select import ALL, EXPOSED, choose, select
from .shape import check_components, check_depth, check_expansion, check_operations
from .untrusted import check_paths
from .validate import check_promises, validated_beside

PACKAGE = "cekura_api"
# The errors that Python raises if something has a shape that the stages do not expect.
_UNFORESEEN = (TypeError, AttributeError, LookupError, ValueError, ArithmeticError, RecursionError)
UPSTREAM_HEADING = (
    "The part of the published Cekura API that this client covers, including its faults.\n"
    "`python scripts/regenerate.py SPECIFICATION` updates it from a published document."
)
EFFECTIVE_HEADING = (
    "The effective specification, the generator's only input. Do not edit: `python scripts/regenerate.py` derives it\n"
    "from upstream.yaml, operations.yaml and overlay.yaml."
)


@attrs.frozen
class LeftOut:
    """An optional operation that is not in the client, and why."""

    operation: Operation
    why: str

    def __str__(self) -> str:
        return f"{self.operation.name}: {self.why}"


@attrs.frozen
class Derivation:
    """The result of the stages before generation: the covered part, the effective specification, and what was fixed."""

    operations: Operations
    upstream: Document
    effective: Document
    rules_fired: dict[str, int]
    overlay_actions: tuple[AppliedAction, ...]
    left_out: tuple[LeftOut, ...] = ()

    @property
    def moves(self) -> tuple[str, ...]:
        """Which operations are not at the first path of their entry, and where they are."""
        return moves(self.operations)


def derive(published: Document, covered: Operations, overlay: Document, selection: str = "") -> Derivation:
    """Run the stages select, normalise, overlay and lenience, and check their result.

    An optional operation is left out if it makes the run fail, or if it would change the types of other operations.
    """
    operations = choose(published, covered, selection)
    optional = [entry for entry in operations.entries if entry.optional]
    whole: Derivation | None = None
    try:
        whole = _derive(published, operations, overlay)
    except RegenerationError:
        if not optional:
            raise
    if whole is not None and (not optional or operations.vendor_schemas):
        return whole
    essential = derivation = _derive(published, operations.without(optional), overlay)
    if whole is not None and not _disturbed(essential, whole):
        return whole
    left_out: list[LeftOut] = []
    for number, entry in enumerate(optional, 1):
        others = [*(each.operation for each in left_out), *optional[number:]]
        try:
            wider = _derive(published, operations.without(others), overlay)
            if disturbed := _disturbed(essential, wider):
                raise RegenerationError(f"{entry} would change {', '.join(disturbed)}, which other operations use.")
        except RegenerationError as error:
            left_out.append(LeftOut(entry, str(error)))
        else:
            derivation = wider
    return attrs.evolve(derivation, left_out=tuple(left_out))


def _disturbed(essential: Derivation, wider: Derivation) -> list[str]:
    """The members of the interface whose types change if more than the essential operations are included."""
    before, after = interface(essential.effective), interface(wider.effective)
    changed = {
        name
        for name, member in before.items()
        if member.type != KNOWN_VALUE and not (name in after and _is_compatible(after[name], member))
    }
    return sorted(name for name in changed if before[name].owner not in changed)


def _is_compatible(new: Member, old: Member) -> bool:
    """Whether a member has the type of another one, or is passed by callers and additionally allows null."""
    is_nullable = new.given and new.type == f"{old.type} | None"
    return new.required == old.required and (new.type == old.type or is_nullable)


def _derive(published: Document, operations: Operations, overlay: Document) -> Derivation:
    try:
        return _stages(published, operations, overlay)
    except _UNFORESEEN as error:
        where = _unforeseen(published, operations, overlay)
        raise RegenerationError(
            f"{where}: the document describes this in a way that no rule knows. "
            "Use another version, or remove the operation from spec/operations.yaml."
        ) from error


def _stages(published: Document, operations: Operations, overlay: Document) -> Derivation:
    check_operations(published, operations)
    upstream = select(published, operations)
    check_paths(upstream)
    check_components(upstream)
    check_expansion(upstream, operations)
    normal, fired = normalise(upstream, operations)
    overlaid, actions = apply_overlay(normal, overlay)
    drop_unused(overlaid, normal)
    effective, fired_after = make_lenient(overlaid, operations)
    check_promises(effective, operations)
    check_depth(effective)
    return Derivation(operations, upstream, effective, fired | fired_after, tuple(actions))


def _unforeseen(published: Document, operations: Operations, overlay: Document) -> str:
    """Find the operation that the stages fail on by bisection. Returns several if they fail only together."""
    entries = operations.entries
    if len(entries) == 1:
        return str(entries[0])
    middle = len(entries) // 2
    for left_out in (entries[middle:], entries[:middle]):
        half = operations.without(left_out)
        try:
            _stages(published, half, overlay)
        except RegenerationError:
            continue
        except _UNFORESEEN:
            return _unforeseen(published, half, overlay)
    return f"{entries[0]} and the {len(entries) - 1} operations after it, together"


def build(
    published: Document, spec: Path, target: Path, *, package: str = PACKAGE, selection: str = "operations.yaml"
) -> Derivation:
    """Derive the specification, and generate the package in `target` while the specification is validated."""
    chosen = spec / "operations.yaml" if selection in (ALL, EXPOSED, "operations.yaml") else Path(selection)
    covered = load_operations(chosen)
    derivation = derive(published, covered, load(spec / "overlay.yaml"), selection)
    # The generator reads JSON many times faster than YAML.
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
    """The files that differ between two folders, without bytecode."""

    def below(folder: Path) -> Iterator[Path]:
        return (f.relative_to(folder) for f in folder.rglob("*") if f.is_file() and "__pycache__" not in f.parts)

    def same(file: Path) -> bool:
        one, other = made / file, committed / file
        return one.is_file() and other.is_file() and one.read_bytes() == other.read_bytes()

    return sorted(file for file in {*below(made), *below(committed)} if not same(file))
