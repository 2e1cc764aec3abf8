"""Implements `check`: runs the contract, and reports its results."""

from __future__ import annotations

from pathlib import Path

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from cekura_facade import Cekura
from cekura_facade.contract import Contract, Remaining, Result

from . import _files
from ._asking import ask
from ._errors import ExitCode, Failed, WrongUsage
from ._report import Report
from ._text import json_text, visible


def check_contract(report: Report, agent_id: int, *, yes: bool, output: Path | None) -> None:
    """Ask, run the checks, and show and write the results, even if the run fails."""
    if not (yes or report.output.asks):
        raise WrongUsage("No terminal to ask on. Pass --yes to create and delete metrics.")
    if output is not None:
        _files.check_output(output)
    with Cekura(**report.options.client()) as cekura:
        base_url = cekura.transport.settings.base_url
        say = report.output.say if yes else report.output.alert
        say(
            f"The command creates up to 4 metrics for agent {agent_id} at {base_url}, and deletes them, even "
            "if you interrupt it. Their names start with 'cekura-facade check'. They are disabled for "
            "simulation and observability, and are not assigned to new agents."
        )
        choices = {"yes": "Create the metrics, check the service, and delete them.", "no": "Send nothing."}
        if not yes and ask(report.output, "Create and delete these metrics?", choices) == "n":
            report.notes.append("Nothing was sent.")
            return
        contract = Contract(cekura, agent_id)
        report.at_end.append(lambda: _conclude(report, contract, output))
        contract.run()


def _conclude(report: Report, contract: Contract, output: Path | None) -> None:
    for metric in contract.remaining:
        report.notes.append(_not_deleted(metric))
    if not contract.results:
        return
    if not contract.passed:
        report.ending = ExitCode.FAILED
    report.document = contract.to_dict()
    if not report.options.as_json:
        report.output.out.print(_table(report, contract))
        report.notes.append(_summary(contract))
    if output is not None:
        try:
            output.write_text(json_text(contract.to_dict()) + "\n", "utf-8")
        except OSError as error:
            report.fail(Failed(f"The results could not be written to {visible(output)}: {error.strerror}."))
        else:
            report.notes.append(f"Results written to {visible(output)}.")


def _table(report: Report, contract: Contract) -> RenderableType:
    if report.output.is_narrow:
        return Group(*(part for result in contract.results for part in _paragraph(result)))
    table = Table(box=box.ROUNDED if report.output.is_unicode else box.ASCII)
    for title in ("Assumption", "Observed", "Result", "Level"):
        table.add_column(title, overflow="fold")
    for result in contract.results:
        words, style = _verdict(result)
        table.add_row(Text(result.assumption), Text(visible(result.observed)), Text(words, style), Text(result.level))
    return table


def _paragraph(result: Result) -> tuple[RenderableType, ...]:
    words, style = _verdict(result)
    verdict = Text.assemble((words, style), f" ({result.level})")
    lines = (verdict, Text(visible(result.observed), "dim"))
    return (Text(result.assumption, "bold"), *(Padding(line, (0, 0, 0, 2)) for line in lines), Text())


def _verdict(result: Result) -> tuple[str, str]:
    if result.passed:
        return "passed", "green"
    style = "red" if result.level == "required" else "yellow"
    return ("not observed" if result.passed is None else "failed"), style


def _summary(contract: Contract) -> str:
    failed = [each.id for each in contract.results if each.level == "required" and not each.passed]
    if failed:
        return f"These required checks failed or could not be observed: {', '.join(failed)}."
    return "All required checks passed." if contract.passed else "Not all checks ran."


def _not_deleted(metric: Remaining) -> str:
    if metric.id is None:
        return (
            f"The metric {visible(metric.name)!r} may exist, because the response to its creation was lost. No list "
            "contains it. List the metrics again later, and delete it."
        )
    return f"Metric {metric.id} ({visible(metric.name)}) could not be deleted. Delete it."
