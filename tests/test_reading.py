"""Models are read from JSON by a function for each model, which is compiled on first use."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import pytest
from cekura_api.api.metrics import list_metrics
from cekura_api.models import GeneratedMetric, Metric
from httpx import Response

import cekura_facade as facade
from tests.support import Either, reply, scripted

METRIC = {"z": 1, "id": 7, "type": "llm_judge", "name": "Tone", "a": [2]}


@pytest.mark.parametrize("data", [METRIC, MappingProxyType(METRIC)])
def test_unknown_fields_keep_their_order_and_the_json_its_fields(data: dict[str, object]) -> None:
    before = dict(data)
    metric = Metric.from_dict(data)
    assert (metric.id, metric.name, metric.type_) == (7, "Tone", "llm_judge")
    assert list(metric.additional_properties.items()) == [("z", 1), ("a", [2])]
    assert data == before
    assert Metric.from_dict(metric) is metric  # type: ignore[arg-type]


@pytest.mark.parametrize(("value", "found"), [([], "a list"), ("x", "a string"), (1, "an integer"), (None, "null")])
def test_a_model_is_read_from_an_object_only(value: object, found: str) -> None:
    with pytest.raises(ValueError, match=f"expected an object, not {found}"):
        Metric.from_dict(value)  # type: ignore[arg-type]


def test_an_item_that_cannot_be_read_is_named() -> None:
    with pytest.raises(Exception, match="item 3: expected an object, not an integer"):
        list_metrics.parse_response(Response(200, json=[METRIC, METRIC, 3, METRIC]))
    with pytest.raises(Exception, match=r"item 2: Metric\.id: expected an integer, not a string"):
        list_metrics.parse_response(Response(200, json=[METRIC, {**METRIC, "id": "7"}]))


@pytest.mark.parametrize("metrics", [[{}], [{"name": "Tone"}, {}], [1], None, "x"])
def test_a_completed_job_without_suggestions_is_unexpected(client: Callable[..., Either], metrics: object) -> None:
    done = reply(200, {"status": "completed", "metrics": metrics})
    with scripted(done) as server:
        job = client("key", base_url=server.url).metrics.job("00000001-000a-4000-8000-000000000000")
        with pytest.raises(facade.UnexpectedResponseError, match="no list of metrics"):
            job.poll()


def test_a_suggestion_may_have_unknown_fields_alone(client: Callable[..., Either]) -> None:
    with scripted(reply(200, {"status": "completed", "metrics": [{"new": 1}]})) as server:
        job = client("key", base_url=server.url).metrics.job("00000001-000a-4000-8000-000000000000")
        assert job.poll().metrics == [GeneratedMetric.from_dict({"new": 1})]
