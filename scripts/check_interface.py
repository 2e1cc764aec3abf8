"""Compare the public interface of cekura_facade with that of the last release. CHANGELOG.md must name each difference.

python scripts/check_interface.py              exit 1 if the Unreleased section does not name a difference
python scripts/check_interface.py --release    for a release: save the current interface as the released one
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import griffe
from documentation.reference import GENERATED, Reference

ROOT = Path(__file__).resolve().parent.parent
RELEASED = ROOT / "tests" / "released-interface.txt"
PACKAGES = ("cekura_facade", "cekura_facade.contract", "cekura_facade.sandbox")
# The headings of Keep a Changelog that each kind of change may be under.
_ADDED, _REMOVED, _CHANGED = (
    ("Added", "Changed"),
    ("Removed", "Changed"),
    ("Changed", "Deprecated", "Fixed", "Security"),
)
_MODELS, _GENERATED = "cekura_api.models.", "cekura_api."
Interface = dict[str, str]  # signatures by path, such as `package.function(name)`


def main() -> int:
    """Compare, or write. Returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--release", action="store_true", help=f"write {RELEASED.name}")
    now = interface(ROOT)
    if parser.parse_args().release:
        RELEASED.write_text(
            "".join(f"{path}: {signature}\n" for path, signature in sorted(now.items())), encoding="utf-8"
        )
        return 0
    before = dict(line.split(": ", 1) for line in RELEASED.read_text(encoding="utf-8").splitlines())
    if missing := unnamed(before, now, (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")):
        print("The Unreleased section of CHANGELOG.md does not name, in `code`:", *missing, sep="\n", file=sys.stderr)
        return 1
    print("CHANGELOG.md names every change of the public interface since the last release.")
    return 0


def unnamed(before: Mapping[str, str], now: Mapping[str, str], changelog: str) -> list[str]:
    """The differences that the Unreleased section does not name. A class that is new or gone includes its members.

    A member is named with its class in one piece of code, such as `metrics.list`, and a parameter with its function.
    The heading must fit. For example, a removed `metrics.list` must not be under Added.
    """
    unreleased = changelog.partition("## Unreleased\n")[2].partition("\n## ")[0]
    said = {
        heading.strip(): re.findall(r"`([^`]+)`", text)
        for heading, _, text in (part.partition("\n") for part in unreleased.split("\n### ")[1:])
    }
    found = []
    for path in sorted(before.keys() | now.keys()):
        owner = re.match(r"(.+)[.(]", path)
        if before.get(path) == now.get(path) or (owner and (owner[1] in before) != (owner[1] in now)):
            continue
        headings = _REMOVED if path not in now else _ADDED if path not in before else _CHANGED
        if not any(_names(code, path) for heading in headings for code in said.get(heading, ())):
            change = f"{path}: {before.get(path, '(nothing)')} -> {now.get(path, '(nothing)')}"
            found.append(f"{change}, under {' or '.join(headings)}")
    return found


def _names(code: str, path: str) -> bool:
    package = next(name for name in (*reversed(PACKAGES), path.partition(".")[0]) if path.startswith(f"{name}."))
    words = re.findall(r"\w+", path.removeprefix(package).replace(".__init__", ""))[-2:]
    return all(re.search(rf"\b(Async)?{word.removeprefix('Async')}\b", code, re.IGNORECASE) for word in words)


def interface(root: Path) -> Interface:
    """The public interface of the packages in a folder, read from the sources without importing them."""
    loader = griffe.GriffeLoader(
        search_paths=[root, root / "generated_client"],
        extensions=griffe.Extensions(Reference()),
        allow_inspection=False,
    )
    for package in ("cekura_api", "cekura_facade"):
        loader.load(package)
    public = {
        f"{package}.{name}": loader.modules_collection[f"{package}.{name}"]
        for package in PACKAGES
        for name in map(str, loader.modules_collection[package].exports or ())
    }
    exported = {_target(thing).path for thing in public.values()}
    return dict(signature for path, thing in public.items() for signature in _signatures(path, thing, exported))


def _target(thing: griffe.Object | griffe.Alias) -> griffe.Object:
    return thing.final_target if isinstance(thing, griffe.Alias) else thing


def _signatures(path: str, thing: griffe.Object | griffe.Alias, exported: set[str]) -> Iterator[tuple[str, str]]:
    target = _target(thing)
    is_generated = target.path.startswith(_GENERATED) or GENERATED in target.extra
    if isinstance(target, griffe.Class):
        # Models follow the API. `regenerate.py` names their changes in the changelog.
        is_model = target.path.startswith(_MODELS)
        yield path, f"class({'' if is_model else ', '.join(map(str, target.bases))})"
        members = {} if is_model else target.all_members
        for name, member in members.items():
            # Members of a public base class are listed with the base class.
            inherited = isinstance(member, griffe.Alias) and _owner(_target(member).path) in exported
            if not inherited and (not name.startswith("_") or name == "__init__"):
                yield from _signatures(f"{path}.{name}", member, exported)
    elif isinstance(target, griffe.Function):
        yield path, f"{'async ' if 'async' in target.labels else ''}function -> {target.returns}"
        positions = (each for each in target.parameters if each.name != "self")
        for position, each in enumerate(positions, 1):
            by_name = each.kind is griffe.ParameterKind.keyword_only
            default = "" if each.default is None else f" = {each.default}"
            # The keyword arguments of generated methods follow the API as well.
            if not (by_name and is_generated):
                yield f"{path}({each.name})", f"{each.annotation}{default}, {'by name' if by_name else position}"
    elif not (is_generated and isinstance(target.parent, griffe.Class)):
        value = getattr(target, "value", None)
        is_alias = isinstance(value, griffe.ExprBinOp | griffe.ExprSubscript)
        # An alias means the same with and without quotes.
        alias = str(value).replace("'", "") if is_alias else "value"
        yield path, str(getattr(target, "annotation", None) or alias)


def _owner(path: str) -> str:
    return path.rpartition(".")[0]


if __name__ == "__main__":
    sys.exit(main())
