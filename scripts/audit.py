"""Check the dependencies of the package for known vulnerabilities, with pip-audit.

Exit code 0: none is known, or the registry has no data, which the output says. Exit code 1: there are some.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
# The versions of `scripts/lock` for the installed package, without those for development only.
REQUIREMENTS = [
    *("pip", "compile", "pyproject.toml", "--extra", "cli", "--extra", "sandbox", "--constraint", "constraints.txt"),
    *("--python-version", "3.11", "--no-annotate", "--no-header", "--quiet"),
]

AUDIT = [
    *("tool", "run", "--quiet", "pip-audit", "--progress-spinner", "off"),
    *("--format", "json", "--no-deps", "--disable-pip"),
]


def main() -> int:
    """Run pip-audit. Returns the exit code."""
    with TemporaryDirectory() as folder:
        requirements = str(Path(folder, "requirements.txt"))
        result = _run(*REQUIREMENTS, "--output-file", requirements)
        if result.returncode == 0:
            result = _run(*AUDIT, "--requirement", requirements)
    code, said = verdict(result.stdout, result.stderr)
    print(said, file=sys.stderr if code else sys.stdout)
    return code


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    uv = [sys.executable, "-m", "uv", *arguments]
    return subprocess.run(uv, cwd=ROOT, capture_output=True, text=True, check=False)


def verdict(report: str, errors: str) -> tuple[int, str]:
    """The exit code and the message for the output of pip-audit, which is JSON unless pip-audit failed."""
    try:
        packages = json.loads(report)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return 0, f"audit: SKIPPED, pip-audit could not run: {(errors.strip().splitlines() or ['no word'])[-1]}"
    unknown = [package["name"] for package in packages if "skip_reason" in package]
    found = [
        f"{package['name']} {package['version']}: {each['id']}, fixed in {', '.join(each['fix_versions']) or 'none'}"
        for package in packages
        for each in package.get("vulns", ())
    ]
    if found:
        return 1, "\n".join(["audit: known vulnerabilities:", *found])
    if len(unknown) == len(packages):
        return 0, f"audit: SKIPPED, the registry has no data on vulnerabilities ({len(packages)} packages)."
    but = f" Not known there, so not audited: {', '.join(unknown)}." if unknown else ""
    return 0, f"audit: no known vulnerability in {len(packages) - len(unknown)} packages.{but}"


if __name__ == "__main__":
    sys.exit(main())
