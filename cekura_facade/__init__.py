"""Suggest metrics for a voice agent with Cekura, wait for them, and save them, in one call.

from cekura_facade import Cekura

with Cekura() as cekura:
    metrics = cekura.metrics.generate_and_create(agent_id=123, num_metrics=10)
"""

from importlib import import_module
from typing import TYPE_CHECKING

from ._version import __version__

if TYPE_CHECKING:
    from cekura_api.models import (
        Agent,
        GeneratedMetric,
        GenerateMetricsProgress,
        GenerateMetricsRequest,
        GenerateMetricsResponse,
        Metric,
        MetricCreate,
        MetricUpdate,
        PreviewMetricProgress,
        SimplifyPromptProgress,
    )
    from cekura_api.types import UNSET, Unset

    from ._agents import Agents, AsyncAgents
    from ._checks import MetricInput
    from ._client import AsyncCekura, Cekura
    from ._errors import (
        APIConnectionError,
        APIError,
        APIStatusError,
        APITimeoutError,
        AuthenticationError,
        BadRequestError,
        BulkCreateUncertainError,
        CekuraError,
        ConfigurationError,
        GenerationFailedError,
        GenerationTimeoutError,
        InternalServerError,
        InvalidRequestError,
        NotFoundError,
        PermissionDeniedError,
        Problem,
        RateLimitError,
        UnexpectedResponseError,
    )
    from ._jobs import (
        AsyncGenerationJob,
        AsyncJob,
        GenerationJob,
        Job,
    )
    from ._many import (
        AsyncOutcomes,
        GenerationOutcome,
        GenerationRequest,
        Outcomes,
    )
    from ._metrics import (
        AsyncMetrics,
        Metrics,
        OnProgress,
        Review,
    )

__all__ = [
    "UNSET",
    "APIConnectionError",
    "APIError",
    "APIStatusError",
    "APITimeoutError",
    "Agent",
    "Agents",
    "AsyncAgents",
    "AsyncCekura",
    "AsyncGenerationJob",
    "AsyncJob",
    "AsyncMetrics",
    "AsyncOutcomes",
    "AuthenticationError",
    "BadRequestError",
    "BulkCreateUncertainError",
    "Cekura",
    "CekuraError",
    "ConfigurationError",
    "GenerateMetricsProgress",
    "GenerateMetricsRequest",
    "GenerateMetricsResponse",
    "GeneratedMetric",
    "GenerationFailedError",
    "GenerationJob",
    "GenerationOutcome",
    "GenerationRequest",
    "GenerationTimeoutError",
    "InternalServerError",
    "InvalidRequestError",
    "Job",
    "Metric",
    "MetricCreate",
    "MetricInput",
    "MetricUpdate",
    "Metrics",
    "NotFoundError",
    "OnProgress",
    "Outcomes",
    "PermissionDeniedError",
    "PreviewMetricProgress",
    "Problem",
    "RateLimitError",
    "Review",
    "SimplifyPromptProgress",
    "UnexpectedResponseError",
    "Unset",
    "__version__",
]

if not TYPE_CHECKING:
    # Imported when first asked for: `cekura-facade --help`, and a program that only handles the errors, need no httpx.
    _HOMES = (
        *("._errors", "cekura_api.models", "cekura_api.types"),
        *("._client", "._metrics", "._jobs", "._many", "._agents", "._checks"),
    )

    def __getattr__(name: str) -> object:
        for home in _HOMES if name in __all__ else ():
            if hasattr(module := import_module(home, __name__), name):
                return globals().setdefault(name, getattr(module, name))
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
