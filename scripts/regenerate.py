"""Turn a published specification into the generated client.

python scripts/regenerate.py                     from spec/upstream.yaml
python scripts/regenerate.py SPECIFICATION       from a file or URL, whose covered part becomes spec/upstream.yaml
python scripts/regenerate.py --check             change nothing; exit 1 if the committed client is not what this gives
python scripts/regenerate.py SPECIFICATION --output DIR     write DIR/cekura_api, and leave the checkout as it is
"""

from __future__ import annotations

import argparse
import keyword
import signal
import sys
from pathlib import Path

try:
    from regeneration.documents import load, load_specification
    from regeneration.errors import RegenerationError
    from regeneration.pipeline import PACKAGE, Derivation, build, differing_files, write_documents
    from regeneration.place import put_in_place, scratch
    from regeneration.report import Report, compare, markdown, uncovered, with_changes
except ModuleNotFoundError as error:
    sys.exit(f"{error.name} is not installed. Install what regeneration needs: pip install -e '.[regenerate]'")

ROOT = Path(__file__).resolve().parent.parent
SPEC = ROOT / "spec"
GENERATED = "generated_client"  # the folder of the committed package
UNCOVERED = "uncovered.txt"
COVERED = "operations.yaml"
COMMAND = "`python scripts/regenerate.py`"  # stands in the header of every generated file
EXIT_CODES = "Exit codes: 0 done; 1 differs (--check) or breaking (--fail-on); 2 refused; 130 stopped."


def main() -> int:
    """Run the pipeline. Returns the exit code."""
    arguments = parse_arguments()
    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        # As Ctrl-C, so that what was begun is cleared away.
        signal.signal(number, signal.default_int_handler)
    try:
        return run(arguments)
    except RegenerationError as error:
        print(f"regenerate: {error}", file=sys.stderr)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"regenerate: {where}{error.strerror or error}. Nothing was changed.", file=sys.stderr)
    except KeyboardInterrupt:
        print("regenerate: interrupted.", file=sys.stderr)
        return 130
    return 2


def parse_arguments() -> argparse.Namespace:
    """The command line; ends the program with exit code 2 when it cannot be right."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0], epilog=EXIT_CODES)
    parser.add_argument("specification", nargs="?", help="path or http(s) URL of an OpenAPI document, JSON or YAML")
    parser.add_argument("--check", action="store_true", help="change nothing, and exit 1 if anything would change")
    parser.add_argument("--output", type=Path, metavar="DIR", help="write the package below DIR and nothing else")
    parser.add_argument("--package", default=PACKAGE, metavar="NAME", help="name of the package, with --output")
    parser.add_argument(
        "--select",
        metavar="WHICH",
        help="operations.yaml (default), all, exposed (those with x-mcp-expose: true), or a file like operations.yaml; "
        "other than the default with --output",
    )
    parser.add_argument("--report", type=Path, metavar="FILE", help="write what changed as Markdown")
    parser.add_argument("--fail-on", choices=["breaking"], help="exit 1 and change nothing if there is such a change")
    arguments = parser.parse_args()
    if arguments.select is None:
        arguments.select = COVERED
    elif arguments.select == COVERED and Path(COVERED).is_file():
        arguments.select = str(Path(COVERED).resolve())  # In the folder of an SDK, its own file is meant.
    if arguments.check and arguments.output:
        parser.error("--check compares the committed client, and --output leaves it alone: give one of them")
    if not arguments.output and (arguments.package != PACKAGE or arguments.select != COVERED):
        parser.error("--package and --select are for a package of your own: say where with --output DIR")
    if arguments.select != COVERED and (arguments.report or arguments.fail_on):
        parser.error("--report and --fail-on compare the covered operations: leave --select out")
    if arguments.specification == "":
        parser.error("the specification is an empty text: give a path or URL, or nothing for spec/upstream.yaml")
    if not arguments.package.isidentifier() or keyword.iskeyword(arguments.package):
        parser.error(f"--package {arguments.package}: give a name that Python can import")
    return arguments


def run(arguments: argparse.Namespace) -> int:
    """Build in a scratch folder next to where the result belongs, then compare it or move it into place."""
    published = load_specification(arguments.specification or SPEC / "upstream.yaml")
    if not arguments.check:
        refuse_foreign((arguments.output or ROOT / GENERATED) / arguments.package)
    with scratch(arguments.output or ROOT) as made:
        derivation = build(published, SPEC, made, package=arguments.package, selection=arguments.select)
        for why in derivation.left_out:
            print(f"regenerate: left out: {why}", file=sys.stderr)
        if arguments.check:
            write_documents(derivation, made)
            return check(made)
        if arguments.select == COVERED:
            report = report_on(derivation, published, fresh=bool(arguments.specification))
            text = markdown(report)
            if arguments.report:
                arguments.report.write_text(text, encoding="utf-8")
            print(text)
            if arguments.fail_on and report.of("breaking"):
                print("regenerate: there are breaking changes: nothing was changed.", file=sys.stderr)
                return 1
        if arguments.output:
            place = arguments.output / arguments.package
            move([(made / arguments.package, place)], made)
            print(summary(derivation, place))
            return 0
        write_documents(derivation, made)
        install(made, published, report, fresh=bool(arguments.specification))
    print(summary(derivation, ROOT / GENERATED / PACKAGE))
    return 0


def report_on(derivation: Derivation, published: dict[str, object], *, fresh: bool) -> Report:
    """What changes against the committed effective specification."""
    committed = SPEC / "openapi.yaml"
    changes = compare(load(committed), derivation.effective) if committed.is_file() else ()
    known = SPEC / UNCOVERED
    new: tuple[str, ...] = ()
    if fresh and known.is_file():
        before = set(known.read_text("utf-8").splitlines())
        new = tuple(name for name in uncovered(published, derivation.effective) if name not in before)
    left_out = tuple(map(str, derivation.left_out))
    return Report(changes, new, derivation.rules_fired, derivation.overlay_actions, left_out, derivation.moves)


def install(made: Path, published: dict[str, object], report: Report, *, fresh: bool) -> None:
    """Move everything that a run made to where it belongs."""
    moves = [(made / "openapi.yaml", SPEC / "openapi.yaml"), (made / PACKAGE, ROOT / GENERATED / PACKAGE)]
    if fresh:
        lines = uncovered(published, load(made / "openapi.yaml"))
        made.joinpath(UNCOVERED).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        moves += [(made / UNCOVERED, SPEC / UNCOVERED), (made / "upstream.yaml", SPEC / "upstream.yaml")]
    changelog = ROOT / "CHANGELOG.md"
    if report.changes and changelog.is_file():
        made.joinpath("CHANGELOG.md").write_text(with_changes(changelog.read_text("utf-8"), report), encoding="utf-8")
        moves.append((made / "CHANGELOG.md", changelog))
    move(moves, made)


def move(moves: list[tuple[Path, Path]], made: Path) -> None:
    """Move what a run made into place. Raises RegenerationError if it was moved only in part."""
    try:
        put_in_place(moves, made / "aside")
    except OSError as error:
        raise RegenerationError(
            f"{error.filename2 or error.filename}: {error.strerror}. "
            "The result was moved only in part. Undo that with git, fix the cause and run the command again."
        ) from None


def check(made: Path) -> int:
    """Name the files that are not what this run gives. Returns 1 if there are any."""
    committed_package = ROOT / GENERATED / PACKAGE
    files = differing_files(made / PACKAGE, committed_package)
    differing = [(committed_package / file).relative_to(ROOT).as_posix() for file in files]
    committed = SPEC / "openapi.yaml"
    if not committed.is_file() or committed.read_bytes() != (made / "openapi.yaml").read_bytes():
        differing.append("spec/openapi.yaml")
    for name in differing:
        print(name)
    if differing:
        print("These files differ from what `python scripts/regenerate.py` gives.", file=sys.stderr)
    return 1 if differing else 0


def refuse_foreign(place: Path) -> None:
    """Raise RegenerationError if something stands there that no run of this made."""
    files = [file for file in place.rglob("*") if file.is_file() and "__pycache__" not in file.parts]
    foreign = [file for file in files if COMMAND not in file.read_text("utf-8", errors="replace")[:500]]
    if place.is_file() or foreign:
        name = foreign[0] if foreign else place
        raise RegenerationError(f"{name} was not generated: move it away, or choose another folder.")


def summary(derivation: Derivation, package: Path) -> str:
    """One line: how much there is, and where."""
    schemas = derivation.effective["components"]["schemas"]
    return f"{package}: {len(derivation.operations.entries)} operations, {len(schemas)} schemas."


if __name__ == "__main__":
    sys.exit(main())
