"""The client of this SDK, whose users work with phone lines. Credentials, retries and saving are in cekura_facade."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from acme_cekura import API
from acme_cekura.models import VoiceAgent, VoiceMetric

from cekura_facade import Cekura, CekuraError, GeneratedMetric, Metric


class UnknownLineError(CekuraError):
    """The phone line does not exist. Nothing was sent."""


class AcmeVoice:
    """Metrics for Acme's phone lines. Use it as a context manager, or call `close()`.

    Args:
        lines: The Cekura agent of each phone line.
        api_key: API key. Default: from the environment or the user's configuration, as for `Cekura`.
        base_url: Base URL of the service. Default: as for `Cekura`.
    """

    def __init__(self, lines: Mapping[str, int], api_key: str | None = None, *, base_url: str | None = None) -> None:
        self.lines = dict(lines)
        self.cekura = Cekura(api_key, base_url=base_url, user_agent="acme-voice-sdk/1.0.0")
        # The generated client of this SDK sends with the transport of Cekura, so it never sees the key.
        self.api = API(self.cekura.transport)

    def ensure_metrics(self, line: str, *, at_least: int) -> list[Metric]:
        """Suggest and save yes-or-no metrics for a phone line, unless it has enough.

        Args:
            line: The phone line.
            at_least: How many metrics it should have.

        Returns:
            The metrics that are new.

        Raises:
            UnknownLineError: The line does not exist.
            CekuraError: As for `Cekura.metrics.generate_and_create`.
        """
        missing = at_least - len(self.metrics(line))
        if missing <= 0:
            return []
        return self.cekura.metrics.generate_and_create(
            agent_id=self._agent_id(line), num_metrics=missing, review=_yes_or_no
        )

    def agent(self, line: str) -> VoiceAgent:
        """The agent that answers a phone line."""
        return self.api.agents.get(self._agent_id(line))

    def metrics(self, line: str) -> list[VoiceMetric]:
        """The metrics of a phone line."""
        return self.api.metrics.list(agent_id=self._agent_id(line))

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
            raise UnknownLineError(f"Unknown line {line!r}: expected one of {sorted(self.lines)}.") from None


def _yes_or_no(suggested: list[GeneratedMetric]) -> list[GeneratedMetric]:
    return [metric for metric in suggested if metric.eval_type == "binary"]
