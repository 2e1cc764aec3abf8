"""Any response raises only our own errors. `--hypothesis-profile=long` tries ten thousand responses."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

import cekura_facade as facade
from tests.support import Either, Kind, Reply, Scripted, reply, scripted

JOB = "0f8fad5b-d9cb-469f-a165-70867728950e"

LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from([JOB, "completed", "failed", "queued"]),
)
STATUSES = st.sampled_from([200, 200, 201, 201, 204, 301, 307, 400, 401, 404, 429, 500, 503]) | st.integers(200, 999)
KEYS = st.sampled_from(["progress_id", "status", "metrics", "error", "detail", "id", "name", "agents", "reviews", "x"])
JSON = st.recursive(
    LEAVES,
    lambda children: st.one_of(st.lists(children, max_size=3), st.dictionaries(KEYS, children, max_size=5)),
    max_leaves=12,
)
BODIES = st.one_of(JSON.map(lambda value: json.dumps(value).encode()), st.binary(max_size=60))
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(
            ["Content-Type", "Content-Encoding", "Retry-After", "Location", "Transfer-Encoding", "X-Request-Id", "X"]
        ),
        st.one_of(
            st.sampled_from(
                ["gzip", "deflate", "0", "/", "http://127.0.0.1:1/", "chunked", "text/html", "//", "http://["]
            ),
            st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=10),
        ),
    ),
    max_size=3,
)


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """Anything that a server may send. Most of it is HTTP, sometimes with a wrong length, and some is not HTTP."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=80))
    body = draw(BODIES)
    status = draw(
        st.one_of(st.sampled_from([200, 201, 204, 301, 307, 400, 401, 404, 429, 500, 503]), st.integers(200, 999))
    )
    length = len(body) + draw(st.sampled_from([0, 0, 0, 0, -1, 1]))
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {max(length, 0)}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in draw(HEADERS)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


@pytest.fixture(scope="module", params=["sync", "async"])
def target(request: pytest.FixtureRequest) -> Iterator[tuple[Scripted, Either]]:
    """One server and one client for all examples, because there are many."""
    kind: Kind = request.param
    with scripted(b"") as server:
        cekura = Either(kind, "sk-secret", base_url=server.url, max_retries=0, timeout=5, settle_timeout=0)
        yield server, cekura
        cekura.close()


STEPS: dict[str, Callable[[Any], Any]] = {
    "generate": lambda metrics: metrics.generate(agent_id=1),
    "poll": lambda metrics: metrics.job(JOB).poll(),
    "wait": lambda metrics: metrics.job(JOB).wait(timeout=0),
    "save": lambda metrics: metrics.create_in_bulk([{"name": "x", "eval_type": "binary"}]),
    "look before saving": lambda metrics: metrics.create_in_bulk([{"name": "x", "eval_type": "binary"}]),
    "look after saving": lambda metrics: metrics.create_in_bulk([{"name": "x", "eval_type": "binary"}]),
    "list": lambda metrics: metrics.list(agent_id=1),
}


@pytest.mark.parametrize("step", STEPS)
@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(answer=answers())
def test_only_our_own_errors_are_raised(target: tuple[Scripted, Either], step: str, answer: bytes) -> None:
    server, cekura = target
    before: dict[str, list[Reply]] = {
        "save": [reply(200, [])],
        "look after saving": [reply(200, []), reply(500)],
    }
    server.replies[:] = [*before.get(step, []), answer]
    with contextlib.suppress(facade.CekuraError):
        STEPS[step](cekura.metrics)
