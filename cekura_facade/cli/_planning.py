"""Implements `export` and `plan`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from cekura_facade import Cekura, InvalidRequestError, Plan
from cekura_facade._matching import comparable

from . import _files, _metrics_file, _plan_text
from ._errors import ExitCode, WrongUsage
from ._managing import require
from ._metrics_file import MetricsFile
from ._plan_markdown import markdown
from ._report import Report
from ._text import plural, visible

Scope = dict[str, int]
"""An agent or a project: `agent_id` or `project_id`."""


def scope_of(agent_id: int | None, project_id: int | None) -> Scope:
    """The scope that the options set. Raises WrongUsage unless exactly one is set."""
    given = {"agent_id": agent_id, "project_id": project_id}
    scope = {name: value for name, value in given.items() if value is not None}
    if len(scope) != 1:
        raise WrongUsage("Pass one of --agent-id and --project-id. Nothing was sent.")
    return scope


def named(scope: Scope) -> str:
    """A scope in words, such as `agent 101`."""
    [(name, number)] = scope.items()
    return f"{name.removesuffix('_id')} {number}"


def export_metrics(report: Report, scope: Scope, *, with_agents: bool, output: Path | None) -> None:
    """Print the metrics of an agent or project as YAML, or write them to a file."""
    if output is not None:
        _files.check_output(output)
    with Cekura(**report.options.client()) as cekura:
        exported = cekura.metrics.export(**scope, with_agents=with_agents)
    metrics = [dict(sorted(each.items())) for each in exported]
    report.document = metrics
    header = _metrics_file.header(len(metrics), next(iter(scope)))
    where = ""
    if output is not None:
        before = _files.write(output, metrics, header, _metrics_file.END)
        moved = f" The previous file is now {visible(before)}." if before else ""
        where = f" Written to {visible(output)}.{moved}"
    elif not report.options.as_json:
        report.output.out.write_utf8(_files.as_text(metrics, header) + _metrics_file.END)
    names = Counter(comparable(each["name"]) for each in metrics if _metrics_file.CODE not in each)
    if repeated := ", ".join(repr(visible(name)) for name, number in names.items() if number > 1):
        report.output.say(
            f"Warning: several metrics have the name {repeated}. Rename all but one to apply them.", "yellow"
        )
    report.notes.append(f"{plural(len(metrics), 'metric') if metrics else 'No metrics'} of {named(scope)}.{where}")


def show_plan(report: Report, path: Path, scope: Scope, *, prune: bool, as_markdown: bool) -> None:
    """Show the changes that `apply` would make."""
    if as_markdown and report.options.as_json:
        raise WrongUsage("Pass either --markdown or --json. Nothing was sent.")
    file = read_file(report, path, scope, prune=prune)
    if file is None:
        return
    with Cekura(**report.options.client()) as cekura:
        plan = find_plan(report, cekura, file, scope)
    if plan is None:
        return
    if _plan_text.has_work(plan, prune=prune):
        report.ending = ExitCode.CHANGES
    report.document = {"exit_code": int(report.exit_code), **_plan_text.record(plan), "errors": []}
    if as_markdown:
        report.output.out.write_utf8(markdown(plan, prune=prune))
    elif not report.options.as_json:
        _plan_text.show(report.output, report.output.out, plan, prune=prune)


def read_file(report: Report, path: Path, scope: Scope, *, prune: bool) -> MetricsFile | None:
    """Read the file. Returns None if it cannot be used, after adding the reasons to the report."""
    require("update_metric")
    file = _metrics_file.read(path, scope)
    for problem in file.problems:
        report.fail(WrongUsage(problem))
    if prune and not file.problems and (why := "it has no metrics" if not file.entries else file.incomplete):
        report.fail(WrongUsage(f"{file.name}: {why}, so --prune does not delete anything."))
    if report.failures:
        report.notes.append("Nothing was sent.")
        return None
    for found, which, ending in (
        (file.unknown, "the API does not list as writable", " They are sent unchanged."),
        (file.ignored, "are ignored, because they are read-only or of predefined metrics", ""),
    ):
        shown = (f"{visible(key)} (line {place[0]})" if place else visible(key) for key, place in found.items())
        if fields := ", ".join(shown):
            report.output.say(f"Warning: {file.name} has fields that {which}: {fields}.{ending}", "yellow")
    return file


def find_plan(report: Report, cekura: Cekura, file: MetricsFile, scope: Scope) -> Plan | None:
    """The plan for a file. Returns None if it cannot be compared, after adding the reasons to the report."""
    try:
        return cekura.metrics.plan(file.metrics, **scope)
    except InvalidRequestError as error:
        if not error.problems:
            raise
        for problem in error.problems:
            place = None if problem.index is None else file.place_of(problem.index, problem.field)
            text = ": ".join(filter(None, (problem.field, problem.message)))
            report.fail(WrongUsage(f"{file.at(place)}: {visible(text).rstrip('.')}."))
        report.notes.append("Nothing was changed.")
        return None
