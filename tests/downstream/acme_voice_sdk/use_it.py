"""A program of a user of this SDK. A test runs it against the sandbox, and both type checkers check it."""

from __future__ import annotations

from acme_voice import AcmeVoice, CekuraError, UnknownLineError

from cekura_facade import Cekura
from cekura_facade.sandbox import Sandbox


def main() -> None:
    """Save metrics for a line, and inspect the requests."""
    with Sandbox(job_seconds=0, api_key="a-key-of-acme") as sandbox:
        agent_id = next(iter(sandbox.agents))
        with AcmeVoice({"support": agent_id, "gone": 999}, sandbox.api_key, base_url=sandbox.url) as acme:
            saved = acme.ensure_metrics("support", at_least=6)
            ids: list[int] = [metric.id for metric in saved]
            print("saved", len(ids), "of", len(sandbox.metrics))
            print("listed", [metric.id for metric in acme.metrics("support")] == ids)
            print("again", acme.ensure_metrics("support", at_least=len(ids)))
            agent = acme.agent("support")
            print("agent", agent.id == agent_id, type(agent).__module__.partition(".")[0])
            for line in ("gone", "nowhere"):
                try:
                    acme.agent(line)
                except UnknownLineError as error:
                    print(type(error).__name__, error)
                except CekuraError as error:
                    print(type(error).__name__, "a-key-of-acme" in repr(vars(error)))
            print("key shown", "a-key-of-acme" in f"{acme.api!r} {acme.cekura!r}")
        print("sent by", {request.headers["user-agent"].split(" python/")[0] for request in sandbox.requests})
        with Cekura(sandbox.api_key, base_url=sandbox.url) as cekura:
            print("ours", [metric.id for metric in cekura.metrics.list(agent_id=agent_id)] == ids)


if __name__ == "__main__":
    main()
