"""Publish the result of the scheduled update job. The files of that job are data, which are never run.

python3 -I scripts/propose_update.py pull-request FOLDER  open or update a pull request from changes.patch and report.md
python3 -I scripts/propose_update.py issue FOLDER         open or comment on an issue with the end of log.txt

Only the standard library is used, because the jobs that run this script have a token and install nothing.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

TITLE = "Update to the published specification"
FAILED = "The update to the published specification failed"
BOT = {"name": "github-actions[bot]", "email": "41898282+github-actions[bot]@users.noreply.github.com"}
# The files that scripts/regenerate.py writes, with unambiguous names. The other files of spec/ are written by hand, and
# generator.yaml may contain commands.
ALLOWED = re.compile(
    r"CHANGELOG\.md|spec/(openapi\.yaml|upstream\.yaml|uncovered\.txt)|generated_client/cekura_api/(\w+/)*(\w+\.py|py\.typed)",
    re.ASCII,
)
CHECK = "Read the files of the run before you run it again."
REGULAR, ABSENT = "100644", "000000"
LARGEST = 50_000_000  # maximum size of a file in bytes. A patch for a new client has about 500,000.
# GitHub accepts 65,536 characters. Each of the two fences is at most one character longer than the text between them.
LONGEST = 20_000
# Escape sequences move the cursor of a terminal, and other control characters are invisible.
CONTROL = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|[^\n\t -~\xa0-\ud7ff\ue000-\U0010ffff]|[\u200b-\u200f\u2028-\u202e\u2066-\u2069]"
)


class RefusedError(Exception):
    """The files of the update job are not from regenerate.py, or git or gh failed."""


def main(arguments: list[str]) -> int:
    """Run one of the two commands. Returns the exit code: 0 done, 1 refused."""
    commands = {"pull-request": propose, "issue": report_failure}
    if len(arguments) != 2 or arguments[0] not in commands:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        commands[arguments[0]](Path(arguments[1]))
    except RefusedError as error:
        print(f"propose_update: {CONTROL.sub('', ' '.join(str(error).split()))}", file=sys.stderr)
        return 1
    return 0


def propose(folder: Path) -> None:
    """Commit the patch to a branch, and open or update its pull request with the report."""
    patch = read(folder / "changes.patch")
    report = read(folder / "report.md").decode(errors="replace")
    branch = os.environ["BRANCH"]
    commit = committed(patch)
    # The token stays in the environment of gh, where no file and no list of processes shows it.
    credentials = ("-c", "credential.helper=", "-c", "credential.helper=!gh auth git-credential")
    run("git", *credentials, "push", "--quiet", "--force", "origin", f"{commit}:refs/heads/{branch}")
    body = (
        f"{run_link()}\n\nThe tests passed in a job without write permission. The report comes from the same job, "
        f"so it is shown as text here. The run shows it formatted.\n\n{fenced(report[:LONGEST], 'markdown')}"
    )
    if len(report) > LONGEST:
        body += f"\nThe rest of the report is in the artifact `update` of the run: {len(report):,} characters in all.\n"
    listed = run("gh", "pr", "list", "--head", branch, "--state", "open", "--json", "number,isCrossRepository")
    # A fork may have a branch of the same name.
    numbers = [str(each["number"]) for each in json.loads(listed) if not each["isCrossRepository"]]
    if numbers:
        publish("pr", "edit", numbers[0], body=body)
    else:
        publish("pr", "create", "--head", branch, "--base", os.environ["GITHUB_REF_NAME"], "--title", TITLE, body=body)


def committed(patch: bytes) -> str:
    """Apply a patch to HEAD in a separate index, and commit the result without writing files. Returns the commit.

    Raises RefusedError if the patch changes a file that regenerate.py does not write, or if the result is not a regular
    file without the executable bit. The result is checked instead of the patch, so that only git has to parse the
    patch.
    """
    with TemporaryDirectory() as scratch:
        index = {"GIT_INDEX_FILE": str(Path(scratch, "index"))}
        run("git", "read-tree", "HEAD", variables=index)
        run("git", "apply", "--cached", "--whitespace=nowarn", "-", stdin=patch, variables=index)
        listed = run("git", "diff-index", "--cached", "--raw", "--no-renames", "-z", "HEAD", variables=index)
        changes = listed.split("\0")[:-1]
        if not changes:
            raise RefusedError(f"changes.patch changes nothing. {CHECK}")
        for entry, path in zip(changes[::2], changes[1::2], strict=True):
            before, after = entry[1:].split(" ")[:2]
            if not ALLOWED.fullmatch(path):
                raise RefusedError(
                    f"changes.patch changes {path!r}, which scripts/regenerate.py does not write. {CHECK}"
                )
            if not {before, after} <= {REGULAR, ABSENT}:
                raise RefusedError(f"changes.patch gives {path!r} the mode {after} instead of {REGULAR}. {CHECK}")
        tree = run("git", "write-tree", variables=index).strip()
    who = {f"GIT_{role}_{key.upper()}": value for role in ("AUTHOR", "COMMITTER") for key, value in BOT.items()}
    return run("git", "commit-tree", tree, "-p", "HEAD", "-m", TITLE, variables=who).strip()


def report_failure(folder: Path) -> None:
    """Open an issue with the end of the log, or comment on the one that is open."""
    try:
        log = read(folder / "log.txt").decode(errors="replace")
    except RefusedError as error:
        log = str(error)
    end = "\n".join(log.splitlines()[-60:])[-LONGEST:]
    results = f"Update: {os.environ['UPDATE_RESULT']}. Pull request: {os.environ['PULL_REQUEST_RESULT']}."
    listed = run("gh", "issue", "list", "--state", "open", "--search", f'in:title "{FAILED}"', "--json", "number,title")
    numbers = [str(each["number"]) for each in json.loads(listed) if each["title"] == FAILED]
    body = f"{run_link()}\n\n{results}\n\n{fenced(end, 'text')}"
    if numbers:
        publish("issue", "comment", numbers[0], body=body)
    else:
        publish("issue", "create", "--title", FAILED, body=body)


def fenced(text: str, language: str) -> str:
    """Put text in a code block that it cannot end, so that it cannot contain mentions, links, images or keywords."""
    text = CONTROL.sub("", text.replace("\r\n", "\n"))
    fence = "`" * (1 + max([2, *map(len, re.findall("`+", text))]))
    return f"{fence}{language}\n{text.rstrip()}\n{fence}\n"


def read(file: Path) -> bytes:
    """The bytes of a file of the update job. Raises RefusedError if it is a link, too large or missing."""
    if file.is_symlink() or not file.is_file():
        raise RefusedError(f"The update job did not write {file.name}.")
    if file.stat().st_size > LARGEST:
        raise RefusedError(f"{file.name} has more than {LARGEST:,} bytes. {CHECK}")
    return file.read_bytes()


def run_link() -> str:
    """A link to the run and its files."""
    names = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    server, repository, number = (os.environ[name] for name in names)
    return f"Run: {server}/{repository}/actions/runs/{number}"


def publish(*command: str, body: str) -> None:
    """Run gh with a text on its standard input."""
    run("gh", *command, "--body-file", "-", stdin=body.encode())


def run(*command: str, stdin: bytes = b"", variables: Mapping[str, str] = MappingProxyType({})) -> str:
    """Run git or gh, with more variables in its environment. Returns its output.

    Raises RefusedError with the messages of the command if it fails.
    """
    environment = {**os.environ, **variables}
    done = subprocess.run(command, input=stdin, env=environment, capture_output=True, check=False)
    if done.returncode:
        raise RefusedError(f"{' '.join(command[:3])} failed: {done.stderr.decode(errors='replace')[-2000:]}")
    return done.stdout.decode(errors="surrogateescape")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
