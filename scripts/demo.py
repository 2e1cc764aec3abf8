"""The main job against the sandbox: suggest metrics for an agent, watch the progress, save them, show them."""

from __future__ import annotations

import os
import sys

from rich.console import Console
from rich.table import Table

import generated_client
from cekura_facade import Cekura, CekuraError, GenerateMetricsProgress
from cekura_facade.sandbox import Sandbox


def main() -> int:
    """Run the demo. Returns the exit code."""
    console = Console()
    # A proxy of the environment has no way to this machine's own addresses.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"
    with Sandbox(job_seconds=3) as sandbox, Cekura(sandbox.api_key, base_url=sandbox.url) as cekura:
        agent_id, agent = next(iter(sandbox.agents.items()))
        console.print(f"Sandbox at {sandbox.url}, generated client in {generated_client.__path__[0]}")
        console.print(f"Agent {agent_id}: [bold]{agent['agent_name']}[/]\n{agent['description']}\n", highlight=False)
        with console.status("Starting…") as status:

            def show(progress: GenerateMetricsProgress) -> None:
                line = f"{progress.status}: {progress.current_step}"
                status.update(line)
                console.print(f"  {line}", highlight=False, markup=False)

            try:
                saved = cekura.metrics.generate_and_create(agent_id=agent_id, num_metrics=5, on_progress=show)
            except CekuraError as error:
                console.print(f"{type(error).__name__}: {error}", markup=False, highlight=False)
                return 1
        table = Table("id", "name", "eval_type", title="Saved metrics")
        for metric in saved:
            table.add_row(str(metric.id), str(metric.name), str(metric.eval_type))
        console.print(table)
        console.print(f"The sandbox holds {len(sandbox.metrics)} metrics, after {len(sandbox.requests)} requests.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
