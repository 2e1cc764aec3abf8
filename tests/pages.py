"""Reads the code blocks of the documentation, and runs those of a page from top to bottom, in one shell.

An HTML comment before a block, which is not rendered, may contain `not run: why`, or the input of the block as
`answers: y`. A `text` block without a title is the output of the block before it. `…` stands for text that varies. A
block in a tab is indented. If a page links to Install or to the start of the sandbox before its first block, these
blocks run first.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs

from tests.page_programs import page_programs

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(
    r"^(?P<indent> *)(?:<!-- (?P<mark>not run|answers): (?P<about>.+?) -->\n\n?(?P=indent))?"
    r'```(?P<language>\w*)(?: title="(?P<title>.+?)")?\n(?P<text>.*?)^(?P=indent)```$',
    re.DOTALL | re.MULTILINE,
)
INSTALLATION = ROOT / "docs" / "install.md"
QUICKSTART = ROOT / "docs" / "quickstart.md"
START = "start-the-sandbox"
INSTALL = """\
python3 -m venv ~/try-cekura
. ~/try-cekura/bin/activate
pip install ".[cli,sandbox]"
"""
# These lines only make a reader wait.
QUICKER = [
    (re.compile(r"cekura-facade sandbox(?= >)"), "cekura-facade sandbox --job-seconds 0.3"),
    (re.compile(r"\bsleep 1;"), "sleep 0.05;"),
]
ANSWERS = """\
import sys
import pexpect
child = pexpect.spawn("sh", ["-e", sys.argv[1]], encoding="utf-8", timeout=600, dimensions=(50, 100))
child.logfile_read = sys.stdout
for answer in sys.argv[2:]:
    child.expect_exact("[e]dit ")
    child.sendline(answer)
child.expect(pexpect.EOF)
child.close()
sys.exit(child.exitstatus)
"""
# Checks that the packages that a page installs exist. The tests do not install anything into their environment.
PIP = f"""\
#!/bin/sh
command=$1
shift
case "$command $* " in "install "*" --target "*) ;; install*) set -- --dry-run "$@" ;; esac
exec {sys.executable} -m pip "$command" --quiet --disable-pip-version-check --no-index --no-build-isolation "$@"
"""


@attrs.frozen
class Block:
    """A code block of a page."""

    mark: str
    about: str
    language: str
    title: str
    text: str

    @property
    def is_run(self) -> bool:
        return self.mark != "not run" and self.language in ("sh", "python") and not self.title

    @property
    def is_output(self) -> bool:
        return self.mark != "not run" and self.language == "text" and not self.title


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[Block]:
    text = page.read_text("utf-8")
    found = list(_blocks(text))
    assert len(re.findall("^ *(?:```|~~~)", text, re.MULTILINE)) == 2 * len(found), f"{page}: a block is not understood"
    return found


def _blocks(text: str) -> Iterator[Block]:
    for part in BLOCK.finditer(text):
        text = re.sub(f"^{part['indent']}", "", part["text"], flags=re.MULTILINE)
        yield Block(part["mark"] or "", part["about"] or "", part["language"], part["title"] or "", text)


def section(page: Path, anchor: str) -> list[Block]:
    """Return the blocks below a heading."""
    parts = re.split("^## (.+)\n", page.read_text("utf-8"), flags=re.MULTILINE)
    sections = zip(parts[1::2], parts[2::2], strict=True)
    (text,) = (body for head, body in sections if head.lower().replace(" ", "-") == anchor)
    return list(_blocks(text))


def prerequisites(page: Path) -> list[Block]:
    """Return the blocks of other pages that a page names before its first block: how to install, and the sandbox."""
    before = page.read_text("utf-8").partition("```")[0]
    named = {
        ((page.parent / path).resolve(), anchor)
        for path, anchor in re.findall(r"\]\(([\w./-]+\.md)#?([\w-]*)\)", before)
    }
    first = [block for block in blocks(INSTALLATION)[:1] if (INSTALLATION, "") in named]
    return first + (section(QUICKSTART, START) if (QUICKSTART, START) in named else [])


def check_installation(checkout: Path, folder: Path, environment: dict[str, str]) -> None:
    """Run the line of INSTALL that installs. It does the same on each page."""
    pip = folder / "pip"
    pip.write_text(PIP)
    pip.chmod(0o755)
    path = f"{folder}:{environment['PATH']}"
    subprocess.run(["sh", "-ec", INSTALL.splitlines()[-1]], cwd=checkout, env=environment | {"PATH": path}, check=True)


def follow(page: Path, checkout: Path, scratch: Path, environment: dict[str, str], built: Path | None) -> None:
    """Do what a page says, in a copy of the checkout, after what it names as its prerequisites.

    Without the folder of an earlier `./scripts/build`, build and install as on the page. With it, `check_installation`
    has run.
    """
    steps = prerequisites(page) + blocks(page)
    for program, text in (("pip", PIP), ("answers.py", ANSWERS)):
        (scratch / program).write_text(text)
        (scratch / program).chmod(0o755)
    script = scratch / "page.sh"
    start = f"PATH={shlex.quote(str(scratch))}:$PATH\n" if built else ""
    script.write_text(start + "".join(_step(number, block, scratch, built) for number, block in enumerate(steps)))
    # A session of its own, so that what it leaves behind can be ended.
    programs = page_programs(scratch, environment) if built else contextlib.nullcontext()
    with (
        programs,
        subprocess.Popen(
            ["sh", "-e", str(script)], cwd=checkout, env=environment, start_new_session=True, stdin=subprocess.DEVNULL
        ) as shell,
    ):
        try:
            code = shell.wait(timeout=1800)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)
    at = (scratch / "at").read_text().strip()
    printed = {int(file.stem): file.read_text("utf-8") for file in scratch.glob("*.out")}
    assert code == 0, f"{name(page)}: block {at} ends with {code}:\n{steps[int(at)].text}\n{printed.get(int(at))}"
    for number, block in enumerate(steps):
        if block.is_output:
            assert as_shown(printed[number - 1], block.text), (
                f"{name(page)}: not printed:\n{block.text}\nbut:\n{printed[number - 1]}"
            )


def as_shown(printed: str, shown: str) -> bool:
    """Whether the output matches a page. Spaces at the ends of lines do not count."""
    pattern = ".*?".join(re.escape(part) for part in shown.strip().split("…"))
    lines = "\n".join(line.rstrip() for line in printed.splitlines()).strip()
    return re.fullmatch(pattern, lines, re.DOTALL) is not None


def _step(number: int, block: Block, scratch: Path, built: Path | None) -> str:
    file = scratch / f"{number}.{block.language or 'none'}"
    file.write_text(block.text, "utf-8")
    path, out = shlex.quote(str(file)), shlex.quote(str(scratch / f"{number}.out"))
    at = f"echo {number} > {shlex.quote(str(scratch / 'at'))}\n"
    if block.mark == "not run":
        return ""
    if block.title:
        target = Path(block.title).expanduser()
        return f"{at}mkdir -p {shlex.quote(str(target.parent))}\ncp {path} {shlex.quote(str(target))}\n"
    if block.language == "python":
        # Warnings of another library cannot be fixed here.
        strict = "" if "dask" in block.text else "-W error "
        return f"{at}python {strict}{path} > {out} 2>&1\n"
    if block.mark == "answers":
        python = shlex.quote(sys.executable)
        return f"{at}{python} {shlex.quote(str(scratch / 'answers.py'))} {path} {block.about} > {out} 2>&1\n"
    if block.language != "sh":
        return ""
    text = block.text
    if built:
        programs = f"{shlex.quote(str(scratch))}:{shlex.quote(str(Path(sys.executable).parent))}"
        ready = f"mkdir -p ~/try-cekura\nPATH={programs}:$PATH\n"
        text = text.replace(INSTALL, ready)
        text = re.sub(r"^\./scripts/build$", f"cp -r {shlex.quote(str(built))} dist", text, flags=re.MULTILINE)
    for pattern, quick in QUICKER:
        text = pattern.sub(quick, text)
    return f"{at}{{\n{text}}} > {out} 2>&1\n"
