"""Suggest metrics for a voice agent with Cekura, wait for them, and save them, in one call.

from cekura_facade import Cekura

with Cekura() as cekura:
    metrics = cekura.metrics.generate_and_create(agent_id=123, num_metrics=10)
"""

from generated_client.models import (
    Agent,
    GeneratedMetric,
    GenerateMetricsProgress,
    GenerateMetricsRequest,
    GenerateMetricsResponse,
    Metric,
    MetricCreate,
)
from generated_client.types import UNSET, Unset

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
from ._metrics import AsyncGenerationJob, AsyncMetrics, GenerationJob, Metrics
from ._version import __version__

__all__ = [
    "UNSET",
    "APIConnectionError",
    "APIError",
    "APIStatusError",
    "APITimeoutError",
    "Agent",
    "AsyncCekura",
    "AsyncGenerationJob",
    "AsyncMetrics",
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
    "GenerationTimeoutError",
    "InternalServerError",
    "InvalidRequestError",
    "Metric",
    "MetricCreate",
    "Metrics",
    "NotFoundError",
    "PermissionDeniedError",
    "Problem",
    "RateLimitError",
    "UnexpectedResponseError",
    "Unset",
    "__version__",
]
