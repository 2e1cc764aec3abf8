"""The client of this SDK. It speaks of phone lines; credentials, retries and saving are those of cekura_facade."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from acme_cekura import AuthenticatedClient
from acme_cekura.api.agents import read_agent
from acme_cekura.api.metrics import list_metrics
from acme_cekura.models import VoiceAgent, VoiceMetric

from cekura_facade import Cekura, CekuraError, GeneratedMetric, Metric


class UnknownLineError(CekuraError):
    """There is no such phone line. Nothing was sent."""


class AcmeVoice:
    """Metrics for Acme's phone lines. Use it as a context manager, or call `close()`.

    Args:
        lines: The Cekura agent of each phone line.
        api_key: As for Cekura: without it, from the environment or the user's configuration.
        base_url: As for Cekura.
    """

    def __init__(self, lines: Mapping[str, int], api_key: str | None = None, *, base_url: str | None = None) -> None:
        self.lines = dict(lines)
        self.cekura = Cekura(api_key, base_url=base_url, user_agent="acme-voice-sdk/1.0.0")
        # The generated client of this SDK uses the transport of Cekura, so it never sees the key.
        self.api = AuthenticatedClient(base_url="", token="").set_httpx_client(self.cekura.api.get_httpx_client())

    def ensure_metrics(self, line: str, *, at_least: int) -> list[Metric]:
        """Suggest and save yes-or-no metrics for a phone line, unless it has enough.

        Args:
            line: The phone line.
            at_least: How many metrics it should have.

        Returns:
            The metrics that are new.

        Raises:
            UnknownLineError: There is no such line.
            CekuraError: As for `Cekura.metrics.generate_and_create`.
        """
        missing = at_least - len(self.metrics(line))
        if missing <= 0:
            return []
        return self.cekura.metrics.generate_and_create(
            agent_id=self._agent_id(line), num_metrics=missing, review=_yes_or_no
        )

    def agent(self, line: str) -> VoiceAgent | None:
        """The agent that answers a phone line."""
        return read_agent.sync(self._agent_id(line), client=self.api)

    def metrics(self, line: str) -> list[VoiceMetric]:
        """The metrics of a phone line."""
        return list_metrics.sync(client=self.api, agent_id=self._agent_id(line)) or []

    def close(self) -> None:
        """Close the connections."""
        self.cekura.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _agent_id(self, line: str) -> int:
        try:
            return self.lines[line]
        except KeyError:
            raise UnknownLineError(f"There is no line {line!r}: take one of {sorted(self.lines)}.") from None


def _yes_or_no(suggested: list[GeneratedMetric]) -> list[GeneratedMetric]:
    return [metric for metric in suggested if metric.eval_type == "binary"]
