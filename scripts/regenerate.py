"""Turn a published specification into the generated client.

python scripts/regenerate.py                     from spec/upstream.yaml
python scripts/regenerate.py SPECIFICATION       from a file or URL, whose covered part becomes spec/upstream.yaml
python scripts/regenerate.py SPECIFICATION --dry-run     print the report, and change nothing
python scripts/regenerate.py --check             change nothing; exit 1 if the committed client is out of date
python scripts/regenerate.py SPECIFICATION --output DIR     write DIR/cekura_api, and leave the checkout as it is
"""

from __future__ import annotations

import argparse
import contextlib
import io
import keyword
import os
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from typing import NoReturn

try:
    from regeneration.documents import load, load_specification
    from regeneration.errors import RegenerationError
    from regeneration.escaping import as_line
    from regeneration.pipeline import PACKAGE, Derivation, build, differing_files, write_documents
    from regeneration.place import put_in_place, scratch
    from regeneration.report import Report, compare, markdown, uncovered, with_changes
except ModuleNotFoundError as error:
    print(f"regenerate: {error.name} is not installed. Run: pip install -e '.[regenerate]'", file=sys.stderr)
    sys.exit(2)
except KeyboardInterrupt:
    sys.exit(130)

ROOT = Path(__file__).resolve().parent.parent
SPEC = ROOT / "spec"
GENERATED = "generated_client"  # the folder of the committed package
UNCOVERED = "uncovered.txt"
COVERED = "operations.yaml"
COMMAND = "`python scripts/regenerate.py`"  # in the header of every generated file
EXIT_CODES = "Exit codes: 0 done; 1 differs (--check) or breaking (--fail-on); 2 refused; 130 interrupted."


class Parser(argparse.ArgumentParser):
    """A parser that reports wrong usage on one line."""

    def error(self, message: str) -> NoReturn:
        """Report what is wrong, and exit."""
        complain(f"{message}. See --help.")
        sys.exit(2)


def main() -> int:
    """Run the pipeline. Returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    arguments = parse_arguments()
    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        # SIGTERM is handled like Ctrl-C, so that the scratch folder is removed.
        signal.signal(number, signal.default_int_handler)
    try:
        return run(arguments)
    except KeyboardInterrupt:
        complain("interrupted. Nothing was changed.")
        return 130
    except RegenerationError as error:
        complain(str(error))
    except OSError as error:
        place = f"{error.filename2 or error.filename}: " if error.filename else ""
        complain(f"{place}{error.strerror or error}. Nothing was changed. Fix this and run the command again.")
    except Exception as error:  # noqa: BLE001 - Whatever a document causes, the exit code 1 would mean something else.
        if arguments.verbose:
            complain(*traceback.format_exc().splitlines())
        frame = traceback.extract_tb(error.__traceback__)[-1]
        complain(
            f"internal error at {Path(frame.filename).name}:{frame.lineno}: {type(error).__name__}: {error}. "
            "Nothing was changed. Please report it with the specification. --verbose prints the traceback."
        )
    return 2


def parse_arguments() -> argparse.Namespace:
    """The command line. Exits with code 2 if it is not valid."""
    parser = Parser(description=(__doc__ or "").split("\n", 1)[0], epilog=EXIT_CODES)
    parser.add_argument("specification", nargs="?", help="path or http(s) URL of an OpenAPI document, JSON or YAML")
    parser.add_argument("--check", action="store_true", help="change nothing, and exit 1 if anything would change")
    parser.add_argument("--dry-run", action="store_true", help="print the report, and write nothing but --report FILE")
    parser.add_argument("--output", type=Path, metavar="DIR", help="write the package below DIR and nothing else")
    parser.add_argument("--package", default=PACKAGE, metavar="NAME", help="name of the package, with --output")
    parser.add_argument(
        "--select",
        metavar="WHICH",
        help="operations.yaml (default), all, exposed (those with x-mcp-expose: true), or a file like operations.yaml; "
        "all but the default require --output",
    )
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the report to FILE, as Markdown")
    parser.add_argument("--verbose", action="store_true", help="list all changes of the wording in the report")
    parser.add_argument("--fail-on", choices=["breaking"], help="exit 1 and change nothing if there is such a change")
    arguments = parser.parse_args()
    if arguments.select is None:
        arguments.select = COVERED
    elif arguments.select == COVERED and Path(COVERED).is_file():
        arguments.select = str(Path(COVERED).resolve())  # `operations.yaml` without a folder is a file of an SDK.
    if arguments.check and arguments.output:
        parser.error("--check compares the committed client, which --output does not write. Pass one of them")
    if arguments.check and (arguments.dry_run or arguments.report or arguments.fail_on):
        parser.error("--check does not write a report. Pass --dry-run, --report and --fail-on without it")
    if not arguments.output and (arguments.package != PACKAGE or arguments.select != COVERED):
        parser.error("--package and --select are for your own package. Pass its folder with --output DIR")
    if arguments.select != COVERED and (arguments.report or arguments.fail_on):
        parser.error("--report and --fail-on compare the covered operations. Leave out --select")
    if arguments.specification == "":
        parser.error("the specification is an empty string: pass a path or a URL, or nothing for spec/upstream.yaml")
    if not arguments.package.isidentifier() or keyword.iskeyword(arguments.package):
        parser.error(f"--package {arguments.package} is not a valid name. Pass a name that Python can import")
    return arguments


def run(arguments: argparse.Namespace) -> int:
    """Build in a scratch folder, then compare the result or move it into place. Returns the exit code."""
    published = load_specification(arguments.specification or SPEC / "upstream.yaml")
    target = (arguments.output or ROOT / GENERATED) / arguments.package
    if not arguments.check:
        refuse_foreign(target)
    with scratch(near(arguments)) as made:
        derivation = build(published, SPEC, made, package=arguments.package, selection=arguments.select)
        for why in derivation.left_out:
            complain(f"left out: {why}")
        if arguments.check:
            write_documents(derivation, made)
            return check(made)
        if arguments.select == COVERED:
            report = report_on(derivation, published, fresh=bool(arguments.specification))
            text = markdown(report, verbose=arguments.verbose)
            if arguments.report:
                arguments.report.write_text(text, encoding="utf-8")
            say(*text.splitlines())
            if arguments.fail_on and (breaking := report.of("breaking")):
                complain(f"breaking changes: {len(breaking)}. Nothing was changed. The report lists them.")
                return 1
        if arguments.dry_run:
            say(summary(derivation, target), "Dry run: nothing was changed.")
            return 0
        if arguments.output:
            put_in_place([(made / arguments.package, target)], made / "aside")
        else:
            write_documents(derivation, made)
            install(made, published, report, fresh=bool(arguments.specification))
    with contextlib.suppress(OSError):  # The result is in place, so the exit code is 0.
        say(summary(derivation, target))
    return 0


def near(arguments: argparse.Namespace) -> Path:
    """The folder for the scratch folder: on the file system of the result, which is moved from there."""
    if arguments.dry_run:
        return Path(tempfile.gettempdir())
    target = Path(arguments.output or ROOT).absolute()
    return next(folder for folder in (target, *target.parents) if folder.exists())


def report_on(derivation: Derivation, published: dict[str, object], *, fresh: bool) -> Report:
    """The changes from the committed effective specification."""
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
    """Move all files that a run created into place."""
    moves = [(made / "openapi.yaml", SPEC / "openapi.yaml"), (made / PACKAGE, ROOT / GENERATED / PACKAGE)]
    if fresh:
        lines = uncovered(published, load(made / "openapi.yaml"))
        made.joinpath(UNCOVERED).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        moves += [(made / UNCOVERED, SPEC / UNCOVERED), (made / "upstream.yaml", SPEC / "upstream.yaml")]
    changelog = ROOT / "CHANGELOG.md"
    if report.changes and changelog.is_file():
        made.joinpath("CHANGELOG.md").write_text(with_changes(changelog.read_text("utf-8"), report), encoding="utf-8")
        moves.append((made / "CHANGELOG.md", changelog))
    put_in_place(moves, made / "aside")


def check(made: Path) -> int:
    """Print the committed files that differ from the result of this run. Returns 1 if there are any."""
    committed_package = ROOT / GENERATED / PACKAGE
    files = differing_files(made / PACKAGE, committed_package)
    differing = [(committed_package / file).relative_to(ROOT).as_posix() for file in files]
    committed = SPEC / "openapi.yaml"
    if not committed.is_file() or committed.read_bytes() != (made / "openapi.yaml").read_bytes():
        differing.append("spec/openapi.yaml")
    if not differing:
        return 0
    say(*differing)
    complain("the committed client is out of date. Run `python scripts/regenerate.py` to write these files.")
    return 1


def refuse_foreign(target: Path) -> None:
    """Raise RegenerationError if the run would overwrite a file that it did not generate."""
    for folder in (target, *target.parents):
        if folder.exists() and not folder.is_dir():
            raise RegenerationError(f"{folder} is a file, not a folder. Nothing was changed. Choose another folder.")
    for file in target.rglob("*"):
        generated = file.is_dir() or "__pycache__" in file.parts
        if not generated and COMMAND not in file.read_text("utf-8", errors="replace")[:500]:
            raise RegenerationError(
                f"{file} was not generated by this command, which would delete it. Nothing was changed. "
                "Move it, or choose another folder."
            )


def summary(derivation: Derivation, package: Path) -> str:
    """One line with the package and the numbers of operations and schemas."""
    schemas = derivation.effective["components"]["schemas"]
    return f"{package}: {len(derivation.operations.entries)} operations, {len(schemas)} schemas."


def say(*lines: str) -> None:
    """Print lines. If the reader has gone, as with `| head -3`, the run continues."""
    try:
        print(*map(as_line, lines), sep="\n", flush=True)
    except OSError as error:
        # Buffered output would fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            error.filename = "standard output"
            raise


def complain(*lines: str) -> None:
    """Print lines on stderr, if that is possible."""
    with contextlib.suppress(OSError):
        print(*(f"regenerate: {as_line(line)}" for line in lines), sep="\n", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
