"""Suggest metrics for a voice agent with Cekura, wait for them, and save them, in one call.

from cekura_facade import Cekura

with Cekura() as cekura:
    metrics = cekura.metrics.generate_and_create(agent_id=101, num_metrics=10)
"""

from importlib import import_module
from typing import TYPE_CHECKING

from ._version import __version__

if TYPE_CHECKING:
    from cekura_api.api.agents import Agents, AsyncAgents
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

    from ._async_client import AsyncCekura
    from ._async_jobs import AsyncGenerationJob, AsyncJob
    from ._async_metrics import AsyncMetrics
    from ._errors import *
    from ._many import AsyncOutcomes, GenerationOutcome, Outcomes
    from ._plan import Applied, MetricChange, Plan
    from ._saving import SavedMetrics
    from ._sync_client import Cekura
    from ._sync_jobs import GenerationJob, Job
    from ._sync_metrics import Metrics
    from ._workflow import GenerationRequest, MetricInput, OnProgress, Review

__all__ = [
    "UNSET",
    "APIConnectionError",
    "APIError",
    "APIStatusError",
    "APITimeoutError",
    "Agent",
    "Agents",
    "Applied",
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
    "MetricChange",
    "MetricCreate",
    "MetricInput",
    "MetricUpdate",
    "Metrics",
    "NotFoundError",
    "OnProgress",
    "Outcomes",
    "PermissionDeniedError",
    "Plan",
    "PlanChangedError",
    "PreviewMetricProgress",
    "Problem",
    "RateLimitError",
    "Review",
    "SavedMetrics",
    "SimplifyPromptProgress",
    "UnexpectedResponseError",
    "Unset",
    "__version__",
]

if not TYPE_CHECKING:
    # Names are imported on first use, because `cekura-facade --help` and programs that only handle errors do not need
    # httpx. Each module comes after the modules that it imports from, so that a name is found where it is defined.
    # Plans come last, because few programs need them.
    _SHARED = ("._errors", "cekura_api.models", "cekura_api.types", "cekura_api.api.agents", "._saving", "._workflow")
    _CLIENTS = ("._sync_jobs", "._sync_metrics", "._sync_client", "._async_jobs", "._async_metrics", "._async_client")

    def __getattr__(name: str) -> object:
        for home in (*_SHARED, "._many", *_CLIENTS, "._plan") if name in __all__ else ():
            module = import_module(home, __name__)
            if hasattr(module, name):
                return globals().setdefault(name, getattr(module, name))
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
