"""Any file or URL gives a document, or one line with the problem, its place, and what to do."""

from __future__ import annotations

import copy
import gzip
import json
import lzma
import os
import re
import subprocess
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings, strategies as st
from regeneration import fetch
from regeneration.documents import dump, load, load_specification, parse
from regeneration.errors import RegenerationError

from tests.regenerating import ROOT, copied_checkout, one_line, run
from tests.support import HANG_LIMIT, closed_port, reply, scripted


def refusal(text: str) -> str:
    with pytest.raises(RegenerationError) as caught:
        parse(text, "the file")
    return one_line(caught)


# Texts

BOMB = "a0: &a0 x\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 13))


@pytest.mark.parametrize(
    ("text", "where", "problem"),
    [
        (BOMB, "line 7, column", "more than 500,000 values"),
        ("[" * 200_000, "line 1, column 101", "nested more than 100 levels"),
        ('{"a":\n' * 200_000, "line 101, column", "nested more than 100 levels"),
        ("a: " + "[" * 200_000, "line 1, column 103", "nested more than 100 levels"),
        ('{"a": ' * 101 + "1" + "}" * 101, "line 1, column 601", "nested more than 100 levels"),
        ('{"a":\n' + "9" * 10_000 + "}", "line 2", "too many digits"),
        ("a: 1\nb: " + "9" * 10_000, "line 2", "too many digits"),
        ('{"a": {"b": NaN}}', "a.b", "not finite"),
        ('{"a":\n -Infinity}', "a", "not finite"),
        ('{"a":\n 1e999}', "line 2", "not finite"),
        ("a: .inf\n", "line 1", "not finite"),
        ('{"a": 1,\n "a": 2}', "line 2", "'a'"),
        ('{"😀": 1, "\\ud83d\\ude00": 2}', "", ""),
        ("a: 1\na: 2\n", "line 2", "'a'"),
        ("a: 1\nb: !!binary aGk=\n", "line 2", "binary"),
        ("a: 1\nb: !!timestamp 2024-01-01\n", "line 2", "timestamp"),
        ("a: 1\nb: !!set {x, y}\n", "line 2", "set"),
        ("b: !!python/object/apply:os.system [ls]\n", "line 1", "python"),
        ("? [a]\n: 1\n", "line 1", "name of a field"),
        ("a: &a [*a]\n", "line 1, column 8", "'a'"),
        ("a: *b\n", "line 1, column 4", "'b'"),
        ("a: 1\n---\nb: 2\n", "line 2", "single document"),
        ("a: 1\nb: x\0y\n", "line 2, column 5", "U+0000"),
        ('a: "\\ud800"\n', "line 1", ""),
        ('{"a": [1,\n }', "line 2, column 2", "cut short"),
        ("a: [b\n", "line 1", "flow"),
    ],
)
def test_unreadable_text_is_refused_with_its_place(text: str, where: str, problem: str) -> None:
    said = refusal(text)
    assert said.startswith("the file ")
    assert where in said
    assert problem in said


def test_a_repeated_alias_is_read_up_to_the_limit() -> None:
    document = parse("a: &a {b: [1]}\nc: [*a, *a]\n", "x")
    assert document == {"a": {"b": [1]}, "c": [{"b": [1]}, {"b": [1]}]}
    # A long string is repeated as well.
    assert "more than 500,000 values" in refusal(f"a: &a {'x' * 100_000}\nb: [{', '.join(['*a'] * 600)}]\n")


def test_keys_of_yaml_that_are_not_strings_become_strings() -> None:
    assert parse("200: a\ntrue: b\nnull: c\n1.5: d\n", "x") == {"200": "a", "true": "b", "null": "c", "1.5": "d"}


def test_half_of_a_surrogate_pair_is_replaced_and_a_whole_one_is_kept() -> None:
    document = parse('{"a\\ud800": ["\\ud83d\\ude00", "x\\udfff"]}', "x")
    assert document == {"a\ufffd": ["😀", "x\ufffd"]}
    assert parse(dump(document), "x") == document
    assert "appears twice" in refusal('{"\\ud800": 1, "\\ud801": 2}')


@pytest.mark.parametrize("text", ['{"a": %s}', "%s"])
def test_the_deepest_document_that_is_read(text: str) -> None:
    levels = 100 if text == "%s" else 99
    parse(text % ('{"a": ' * levels + "1" + "}" * levels), "x")
    assert "nested" in refusal(text % ('{"a": ' * (levels + 1) + "1" + "}" * (levels + 1)))


@given(
    st.binary(max_size=60)
    | st.text(max_size=60).map(str.encode)
    | st.text("[]{}:,-&*!?|>'\"\\a1 \n\t#").map(str.encode)
)
@settings(max_examples=400, deadline=None)
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    source = Path(os.environ["PYTEST_DOCUMENT"])
    source.write_bytes(data)
    try:
        assert isinstance(load(source), dict)
        said = str(source)
    except RegenerationError as error:
        said = one_line(error)
    assert said.startswith(str(source))


@pytest.fixture(autouse=True, scope="module")
def _document(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTEST_DOCUMENT", str(tmp_path_factory.mktemp("documents") / "document"))
        yield


# Files


@pytest.mark.parametrize("data", [b"\xff\xfea\0:\0", b"\xfe\xff\0a", b"a: \xe9\n", b"\xef\xbb\xbfa: \xff"])
def test_a_file_in_another_encoding_is_refused(data: bytes, tmp_path: Path) -> None:
    tmp_path.joinpath("x").write_bytes(data)
    with pytest.raises(RegenerationError, match="UTF-8"):
        load(tmp_path / "x")


def test_a_byte_order_mark_is_left_out(tmp_path: Path) -> None:
    tmp_path.joinpath("x").write_text('\ufeff{"a": 1}', encoding="utf-8")
    assert load(tmp_path / "x") == {"a": 1}


def test_a_path_that_is_not_a_regular_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, why in (
        (tmp_path / "pipe", "pipe"),
        (Path("/dev/zero"), "device"),
        (tmp_path, "folder"),
        (tmp_path / "none", "No such file"),
        ("a\0b", "valid path"),
    ):
        with pytest.raises(RegenerationError, match=why) as caught:
            load(path)
        assert str(path) in one_line(caught)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit that a test reaches quickly."""
    monkeypatch.setattr(fetch, "MAX_BYTES", 2**20)


def test_a_large_file_is_refused_before_all_of_it_is_read(small: None, tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(RegenerationError, match="larger than 1 MB"):
        load(tmp_path / "large")


def test_an_xz_file_is_unpacked_up_to_the_limit(small: None, tmp_path: Path) -> None:
    file = tmp_path / "x.json.xz"
    whole = lzma.compress(b'{"a": ') + lzma.compress(b"1}")
    file.write_bytes(whole)
    assert load(file) == {"a": 1}
    for data, why in (
        (lzma.compress(b" " * 2**21), "larger than 1 MB"),
        (lzma.compress(b" " * 2**19) * 3, "larger than 1 MB"),
        (whole[:-5], "cut short"),
        (whole[:20] + b"xxxx" + whole[24:], "broken"),
    ):
        file.write_bytes(data)
        with pytest.raises(RegenerationError, match=why) as caught:
            load(file)
        assert str(file) in one_line(caught)


# URLs

GZIP = {"Content-Encoding": "gzip"}
SMALL = reply(200, {"a": 1})


def moved(to: str, status: int = 302) -> bytes:
    return reply(status, headers={"Location": to})


def test_a_scheme_is_read_in_capitals_and_others_are_named() -> None:
    with scripted(SMALL) as server:
        assert load(server.url.replace("http", "HTTP")) == {"a": 1}
    for url in ("ftp://example.com/x", "file:///etc/passwd", "FILE:///x"):
        with pytest.raises(RegenerationError, match="is not supported") as caught:
            load(url)
        assert url.partition(":")[0].lower() in one_line(caught)


@pytest.mark.parametrize(
    "url",
    ["http://", "http://[::1", "http://user:hidden@host:port/", "https:///x", "http://127.0.0.1:99999/", "http://x:0"],
)
def test_an_invalid_url_is_refused(url: str) -> None:
    with pytest.raises(RegenerationError) as caught:
        load(url)
    assert "hidden" not in one_line(caught)


def test_a_user_and_a_password_are_not_sent_or_shown() -> None:
    with scripted(reply(404), SMALL, SMALL) as server:
        url = server.url.replace("://", "://user:hidden@")
        with pytest.raises(RegenerationError, match="responded with 404") as caught:
            load(url)
        assert load(url) == {"a": 1}
        assert not any("authorization" in {name.lower() for name in each.headers} for each in server.received)
        with pytest.raises(RegenerationError, match="not an OpenAPI") as later:
            load_specification(url)
    for error in (caught, later):
        assert "hidden" not in one_line(error)


def test_a_redirect_without_a_location_is_refused() -> None:
    with scripted(reply(302)) as server, pytest.raises(RegenerationError, match="responded with 302"):
        load(server.url)


def test_a_redirect_stays_on_the_host() -> None:
    with scripted(moved("/two"), moved("three", 308), SMALL) as server:
        assert load(f"{server.url}/one") == {"a": 1}
        assert [each.path for each in server.received] == ["/one", "/two", "/three"]
    with scripted(SMALL) as other:
        for place in (other.url, other.url.replace("127.0.0.1", "localhost"), "file:///etc/passwd", "https://e.test/"):
            with (
                scripted(moved(place)) as server,
                pytest.raises(RegenerationError, match="not the same host") as caught,
            ):
                load(server.url)
            assert place.partition("://")[2].partition("/")[0] in one_line(caught)
        assert other.received == []


@pytest.mark.parametrize(
    ("start", "to", "allowed"),
    [
        ("http://a.test/x", "https://a.test/x", True),
        ("http://a.test/x", "https://a.test:443/y", True),
        ("https://a.test/x", "http://a.test/x", False),
        ("http://a.test/x", "https://a.test:8443/x", False),
        ("http://a.test:8080/x", "https://a.test/x", False),
        ("https://a.test/x", "https://b.a.test/x", False),
        ("https://a.test/x", "//a.test/y", True),
        ("https://a.test/x", "https://a.test@b.test/", False),
    ],
)
def test_a_redirect_may_only_turn_http_into_https(start: str, to: str, allowed: bool) -> None:
    response = httpx.Response(302, headers={"Location": to})
    if allowed:
        assert fetch.redirected(httpx.URL(start), httpx.URL(start), response).host == "a.test"
    else:
        with pytest.raises(RegenerationError, match="not the same host"):
            fetch.redirected(httpx.URL(start), httpx.URL(start), response)


def test_redirects_end() -> None:
    with scripted(*[moved("/again")] * 6) as server:
        with pytest.raises(RegenerationError, match="more than 5 times"):
            load(server.url)
        assert len(server.received) == 6
    with scripted(*[moved("/again")] * 5, SMALL) as server:
        assert load(server.url) == {"a": 1}


def endless(beginning: bytes) -> Iterator[bytes]:
    yield beginning
    while True:
        yield b"x" * 65536


def test_a_compression_bomb_is_decompressed_only_up_to_the_limit(small: None) -> None:
    bomb = gzip.compress(b" " * 2**26)
    tracemalloc.start()
    try:
        with scripted(reply(200, bomb, GZIP)) as server, pytest.raises(RegenerationError, match="larger than 1 MB"):
            load(server.url)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 2**24


def test_a_response_is_read_up_to_the_limit(small: None) -> None:
    bomb = gzip.compress(b" " * 2**21)
    for answer in (
        reply(200, bomb, GZIP),
        reply(200, b" " * (2**20 + 1)),
        endless(b"HTTP/1.1 200 OK\r\n\r\n"),
    ):
        with scripted(answer) as server, pytest.raises(RegenerationError, match="larger than 1 MB") as caught:
            load(server.url)
        assert server.url in one_line(caught)


def test_a_compressed_response_is_read_and_one_that_is_broken_is_not() -> None:
    data = gzip.compress(b'{"a": 1}')
    with scripted(reply(200, data, GZIP)) as server:
        assert load(server.url) == {"a": 1}
    for answer, why in (
        (reply(200, data[:-9], GZIP), "cut short"),
        (reply(200, b"x" * 20, GZIP), "cannot be decompressed"),
        (reply(200, b"x", {"Content-Encoding": "br"}), "has the encoding br,"),
        # httpx would decompress both at once, and each can be a thousand times larger.
        (reply(200, gzip.compress(data), {"Content-Encoding": "gzip, gzip"}), "has the encoding gzip, gzip,"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\nConnection: close\r\n\r\n{", "cut short"),
        (b"nonsense\r\n\r\n", "is not HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000, "is not HTTP"),
    ):
        with scripted(answer) as server, pytest.raises(RegenerationError, match=why) as caught:
            load(server.url)
        assert server.url in one_line(caught)


@pytest.mark.parametrize("beginning", [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n\r\n{"])
def test_a_missing_response_ends_with_a_timeout(beginning: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "MAX_SECONDS", 0.1)
    done = threading.Event()

    def silent() -> Iterator[bytes]:
        yield beginning or b"H"
        done.wait(HANG_LIMIT)

    with scripted(silent()) as server:
        try:
            with pytest.raises(RegenerationError, match=r"not read within 0\.1 seconds") as caught:
                load(server.url)
        finally:
            done.set()
    assert server.url in one_line(caught)


def test_a_server_that_cannot_be_reached_is_named() -> None:
    with closed_port() as url, pytest.raises(RegenerationError, match="could not be fetched") as caught:
        load(url)
    assert url in one_line(caught)


# The whole command


@pytest.fixture
def checkout(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied_checkout(tmp_path_factory, tmp_path / "checkout")


def test_the_command_refuses_in_one_line_and_changes_nothing(checkout: Path, tmp_path: Path) -> None:
    upstream = load(ROOT / "spec" / "upstream.yaml")
    odd = copy.deepcopy(upstream)
    path, item = next((path, item) for path, item in odd["paths"].items() if "post" in item)
    item["post"]["parameters"] = 5
    texts = [
        BOMB,
        "[" * 200_000,
        "a: !!binary aGk=",
        dump(upstream) + "x: !!set {a}\n",
        dump(upstream) + "x: .inf\n",
        json.dumps(odd),
        json.dumps(upstream | {"components": 7}),
        '{"openapi": "3.1.0", "paths": {"/x": 3}}',
    ]
    for number, text in enumerate(texts):
        file = tmp_path / f"{number}.json"
        file.write_text(text)
        result = run(checkout, file)
        assert result.returncode == 2
        assert result.stdout == ""
        assert re.fullmatch(r"regenerate: .+\n", result.stderr)
    assert f"paths.{path}.post.parameters" in run(checkout, tmp_path / "5.json").stderr
    for source in ("/dev/zero", str(tmp_path), "ftp://x.test/", "http://[", "HTTP://127.0.0.1:1/"):
        result = run(checkout, source)
        assert result.returncode == 2
        assert re.fullmatch(r"regenerate: .+\n", result.stderr)
    status = subprocess.run(["git", "status", "--short"], cwd=checkout, capture_output=True, text=True, check=True)
    assert status.stdout == ""


def test_a_surrogate_in_a_description_gives_a_client(checkout: Path, tmp_path: Path) -> None:
    upstream = load(ROOT / "spec" / "upstream.yaml")
    schemas = upstream["components"]["schemas"]
    next(iter(schemas.values()))["description"] = "half \ud800"
    (tmp_path / "x.json").write_text(json.dumps(upstream))
    assert run(checkout, tmp_path / "x.json", "--output", tmp_path / "made").returncode == 0
