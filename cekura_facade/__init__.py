"""Suggest metrics for a voice agent with Cekura, wait for them, and save them, in one call.

from cekura_facade import Cekura

with Cekura() as cekura:
    metrics = cekura.metrics.generate_and_create(agent_id=123, num_metrics=10)
"""

from generated_client.models import (
    Agent as Agent,
    GeneratedMetric as GeneratedMetric,
    GenerateMetricsProgress as GenerateMetricsProgress,
    GenerateMetricsRequest as GenerateMetricsRequest,
    GenerateMetricsResponse as GenerateMetricsResponse,
    Metric as Metric,
    MetricCreate as MetricCreate,
)
from generated_client.types import UNSET as UNSET, Unset as Unset

from ._client import AsyncCekura as AsyncCekura, Cekura as Cekura
from ._errors import (
    APIConnectionError as APIConnectionError,
    APIError as APIError,
    APIStatusError as APIStatusError,
    APITimeoutError as APITimeoutError,
    AuthenticationError as AuthenticationError,
    BadRequestError as BadRequestError,
    BulkCreateUncertainError as BulkCreateUncertainError,
    CekuraError as CekuraError,
    ConfigurationError as ConfigurationError,
    GenerationFailedError as GenerationFailedError,
    GenerationTimeoutError as GenerationTimeoutError,
    InternalServerError as InternalServerError,
    InvalidRequestError as InvalidRequestError,
    NotFoundError as NotFoundError,
    PermissionDeniedError as PermissionDeniedError,
    Problem as Problem,
    RateLimitError as RateLimitError,
    UnexpectedResponseError as UnexpectedResponseError,
)
from ._many import (
    AsyncOutcomes as AsyncOutcomes,
    GenerationOutcome as GenerationOutcome,
    Outcomes as Outcomes,
)
from ._metrics import (
    AsyncGenerationJob as AsyncGenerationJob,
    AsyncMetrics as AsyncMetrics,
    GenerationJob as GenerationJob,
    Metrics as Metrics,
)
from ._version import __version__ as __version__
