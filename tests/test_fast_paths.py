"""Shortcuts of the client give the same results as the long way."""

from __future__ import annotations

import html
import unicodedata
from typing import Any

import httpx
import pytest
from cekura_api.api.metrics import list_metrics
from cekura_api.models import Metric
from hypothesis import example, given, strategies as st

from cekura_facade import Cekura
from cekura_facade._matching import LONGEST_NAME, comparable, spellings
from cekura_facade._save_state import Wanted

NAMES = st.text(st.sampled_from("ab.: /~!&<>\"'\u00e9e\u0301\u2126\t\r\n\u00a0\ud800"), max_size=12) | st.text()


@given(NAMES, st.sampled_from([1, 100]))
@example("a b", 1)
@example("a" * (LONGEST_NAME + 1), 1)
@example("a & b", 1)
@example(" a", 1)
@example("a  b", 1)
def test_every_spelling_of_a_name_is_found(name: str, times: int) -> None:
    name *= times
    changed = [
        name,
        name.strip(),
        " ".join(name.split()),
        name.replace("\n", "\r\n"),
        html.escape(name),
        unicodedata.normalize("NFC", name),
        unicodedata.normalize("NFD", name),
        name[:LONGEST_NAME],
    ]
    assert {each for each in changed if len(each) <= 1000} <= set(spellings(name))
    assert set(spellings("plain name")) == {"plain name"}


@pytest.mark.parametrize(
    "base_url", ["http://127.0.0.1:9", "http://127.0.0.1:9/", "http://127.0.0.1:9/a/b%20c", "http://[::1]:9/a//"]
)
@pytest.mark.parametrize("defaults", [None, {"agent_id": "5", "team": "a b"}])
@pytest.mark.parametrize(
    "arguments",
    [{}, {"agent_id": 7, "filters": '{"a": ["\u00e9 &=+#?%2f", "b"]}'}, {"slug": "", "include_scores": True}],
)
def test_a_request_has_the_url_that_httpx_gives_it(
    base_url: str, defaults: dict[str, str] | None, arguments: dict[str, Any]
) -> None:
    sent: list[httpx.URL] = []

    def respond(request: httpx.Request) -> httpx.Response:
        sent.append(request.url)
        return httpx.Response(200, json=[])

    client = httpx.Client(transport=httpx.MockTransport(respond), params=defaults)
    with Cekura("key", base_url=base_url, http_client=client) as cekura:
        cekura.metrics.list(**arguments)
    expected = httpx.Client(base_url=base_url, params=defaults)
    assert [str(url) for url in sent] == [str(expected.build_request(**list_metrics.build_request(**arguments)).url)]


@pytest.mark.parametrize("found", [["x" * LONGEST_NAME] * 2, ["x" * LONGEST_NAME, "x" * (LONGEST_NAME - 1)]])
def test_a_list_shows_a_name_and_the_beginning_of_a_longer_one(found: list[str]) -> None:
    names = ["x" * LONGEST_NAME, "x" * 300]
    wanted = Wanted([{"name": name, "description": "d", "agent": 1} for name in names])
    listed = [
        Metric.from_dict({"id": number, "name": name, "description": "d", "agents": [1]})
        for number, name in enumerate(found)
    ]
    left = wanted.claim(listed, range(len(names)))
    assert sorted(wanted.saved) == ([0, 1] if found[0] == found[1] else [0])
    assert len(left) == len(found) - len(wanted.saved)


def test_the_closest_metric_is_claimed_whatever_the_order_of_the_list() -> None:
    fields = {"name": "a & b", "description": "d", "agent": 1}
    exact: dict[str, Any] = {"id": 1, "name": "a & b", "description": "d", "agents": [1]}
    elsewhere: dict[str, Any] = {"id": 2, "name": "a & b", "description": "d", "agents": [1, 2]}
    changed: dict[str, Any] = {"id": 3, "name": "a &amp; b", "description": " d", "agents": [1]}
    for listed in ([changed, elsewhere, exact], [exact, changed, elsewhere], [elsewhere, changed]):
        wanted = Wanted([fields])
        wanted.claim(map(Metric.from_dict, listed), [0])
        assert wanted.saved[0].id == min(each["id"] for each in listed)


def test_metrics_are_the_same_in_another_call_if_their_keys_are_equal() -> None:
    first: dict[str, Any] = {"name": "a", "description": "d", "eval_type": "binary", "agent": 1}
    same = [
        {**first, "name": " a"},
        {**first, "description": "d "},
        {**first, "eval_type": "binary_qualitative"},
        {"agents": ["1"], **{name: value for name, value in first.items() if name != "agent"}},
    ]
    others = [
        {**first, "name": "b"},
        {**first, "description": "e"},
        {**first, "eval_type": "numeric"},
        {**first, "agent": 2},
        {**first, "project": 3},
        {**first, "assistant_id": "x"},
    ]
    [key] = Wanted([first]).keys
    assert Wanted(same).keys == [key] * len(same)
    assert key not in Wanted(others).keys
    assert comparable(" a") == "a"
