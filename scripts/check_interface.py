"""Hold the public interface of cekura_facade against that of the last release: the changelog must name what differs.

python scripts/check_interface.py              exit 1 if the Unreleased section leaves out a difference
python scripts/check_interface.py --release    part of a release: what is public now becomes what was released
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import griffe
from documentation.reference import Reference

ROOT = Path(__file__).resolve().parent.parent
RELEASED = ROOT / "tests" / "released-interface.txt"
PACKAGES = ("cekura_facade", "cekura_facade.sandbox")
# The headings of Keep a Changelog under which each kind of change is looked for.
_ADDED, _REMOVED, _CHANGED = (
    ("Added", "Changed"),
    ("Removed", "Changed"),
    ("Changed", "Deprecated", "Fixed", "Security"),
)
Interface = dict[str, str]  # what each public thing looks like, by its path; a parameter's is `package.function(name)`


def main() -> int:
    """Compare, or write. Returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--release", action="store_true", help=f"write {RELEASED.name}")
    now = interface(ROOT)
    if parser.parse_args().release:
        RELEASED.write_text("".join(f"{path}: {look}\n" for path, look in sorted(now.items())), encoding="utf-8")
        return 0
    before = dict(line.split(": ", 1) for line in RELEASED.read_text(encoding="utf-8").splitlines())
    if missing := unnamed(before, now, (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")):
        print("The Unreleased section of CHANGELOG.md does not name, in `code`:", *missing, sep="\n", file=sys.stderr)
        return 1
    print("CHANGELOG.md names every change of the public interface since the last release.")
    return 0


def unnamed(before: Mapping[str, str], now: Mapping[str, str], changelog: str) -> list[str]:
    """The differences that the Unreleased section leaves out. What belongs to something new or gone is part of that.

    A member is named with its class in one piece of code, `metrics.list`, a parameter with its function, and each under
    a heading for what became of it: that `metrics.list` stands under Added does not explain that it is gone.
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
    """All that is public in the packages below a folder. Read from the sources: nothing is imported."""
    # As the API reference shows it: the methods that users call, with their types.
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
    return dict(look for path, thing in public.items() for look in _looks(path, thing, exported))


def _target(thing: griffe.Object | griffe.Alias) -> griffe.Object:
    return thing.final_target if isinstance(thing, griffe.Alias) else thing


def _looks(path: str, thing: griffe.Object | griffe.Alias, exported: set[str]) -> Iterator[tuple[str, str]]:
    target = _target(thing)
    if isinstance(target, griffe.Class):
        yield path, f"class({', '.join(map(str, target.bases))})"
        # What is generated follows the API: there, `regenerate.py` says what changed, in the changelog as well.
        if not target.path.startswith("cekura_api."):
            for name, member in target.all_members.items():
                # What a public base has is said there.
                inherited = isinstance(member, griffe.Alias) and _owner(_target(member).path) in exported
                if not inherited and (not name.startswith("_") or name == "__init__"):
                    yield from _looks(f"{path}.{name}", member, exported)
    elif isinstance(target, griffe.Function):
        yield path, f"{'async ' if 'async' in target.labels else ''}function -> {target.returns}"
        positions = (each for each in target.parameters if each.name != "self")
        for position, each in enumerate(positions, 1):
            free = each.kind is griffe.ParameterKind.keyword_only
            default = "" if each.default is None else f" = {each.default}"
            yield f"{path}({each.name})", f"{each.annotation}{default}, {'by name' if free else position}"
    else:
        value = getattr(target, "value", None)
        is_alias = isinstance(value, griffe.ExprBinOp | griffe.ExprSubscript)
        yield path, str(getattr(target, "annotation", None) or (value if is_alias else "value"))


def _owner(path: str) -> str:
    return path.rpartition(".")[0]


if __name__ == "__main__":
    sys.exit(main())
