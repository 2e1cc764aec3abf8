"""Reads the bytes of a document from a file or a URL, within limits of size and time."""

from __future__ import annotations

import asyncio
import lzma
import ssl
import stat
import zlib
from pathlib import Path
from urllib.parse import unquote

import httpx

from .errors import RegenerationError

MAX_BYTES = 64 * 2**20  # maximum size of a decompressed document
MAX_SECONDS = 120.0  # for connecting, redirects, headers and body of a URL
MAX_REDIRECTS = 5
_XZ = b"\xfd7zXZ\x00"
_XZ_MEMORY = 256 * 2**20  # bytes, for the dictionary of an .xz file
_PORTS = {"http": 80, "https": 443}
_LAST_PORT = 65_535


def read(source: str | Path) -> bytes:
    """The bytes at a path or an http(s) URL, decompressed. Raises RegenerationError."""
    url = _url(source)
    if url is None:
        return _decompressed(_file(Path(source)), str(source))
    return _decompressed(_over_http(url), shown(source))


def shown(source: str | Path) -> str:
    """A path or URL for messages, without the user and password that a URL may have."""
    url = None if isinstance(source, Path) else _parsed(source)
    return str(source) if url is None or not url.userinfo else str(url.copy_with(username=None, password=None))


def _parsed(source: str) -> httpx.URL | None:
    scheme, separator, _ = source.partition("://")
    if not separator or not scheme.isalnum():
        return None
    try:
        return httpx.URL(source)
    except (httpx.InvalidURL, ValueError):
        # The message must not repeat a password.
        host = source.rpartition("@")[2] if "@" in source else source
        raise RegenerationError(f"{host} is not a valid URL. Check it, or pass a file.") from None


def _url(source: str | Path) -> httpx.URL | None:
    """The URL of a source, None if it is a path."""
    url = None if isinstance(source, Path) else _parsed(source)
    if url is None:
        return None
    if url.scheme not in _PORTS:
        raise RegenerationError(f"{shown(source)}: {url.scheme}:// is not supported. Use http, https or a file.")
    if not url.host:
        raise RegenerationError(f"{shown(source)} has no host. Check the URL.")
    if url.port is not None and not 0 < url.port <= _LAST_PORT:
        raise RegenerationError(f"{shown(source)}: the port must be 1 to {_LAST_PORT}. Check the URL.")
    return url


def _file(path: Path) -> bytes:
    try:
        # This is checked before the file is opened, because opening a pipe blocks until somebody writes to it.
        if not stat.S_ISREG(path.stat().st_mode):
            kind = "a folder" if path.is_dir() else "a device or a pipe"
            raise RegenerationError(f"{path} is {kind}, not a regular file. Pass the file of a specification.")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except ValueError:
        raise RegenerationError(f"{path} is not a valid path: it contains a null character.") from None
    except OSError as error:
        raise RegenerationError(f"{path} could not be read: {error.strerror or 'input or output error'}.") from None
    return _within(data, str(path))


def _within(data: bytes, name: str) -> bytes:
    if len(data) > MAX_BYTES:
        raise _too_large(name)
    return data


def _too_large(name: str) -> RegenerationError:
    return RegenerationError(
        f"{name} is larger than {MAX_BYTES // 2**20} MB, the limit for a specification. Check that it is the right one."
    )


def _decompressed(data: bytes, name: str) -> bytes:
    """Decompress .xz, which may have several consecutive streams."""
    if not data.startswith(_XZ):
        return data
    found = bytearray()
    try:
        while data.startswith(_XZ):
            decompressor = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
            found += decompressor.decompress(data, MAX_BYTES + 1 - len(found))
            if len(found) > MAX_BYTES:
                raise _too_large(name)
            if not decompressor.eof:
                raise RegenerationError(f"{name} is an .xz file that is cut short. Download it again.")
            data = decompressor.unused_data.lstrip(b"\0")
    except lzma.LZMAError:
        raise RegenerationError(f"{name} is a broken .xz file, or needs too much memory. Download it again.") from None
    return bytes(found)


def _over_http(url: httpx.URL) -> bytes:
    try:
        return asyncio.run(_within_time(url))
    except TimeoutError:
        raise RegenerationError(
            f"{shown(str(url))} was not read within {MAX_SECONDS:g} seconds. Try again later, or download it to a file."
        ) from None
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, ImportError) as error:
        # httpx raises ValueError or ImportError for a proxy of the environment that it cannot use.
        raise RegenerationError(
            f"{shown(str(url))} could not be fetched: {_reason(error)}. Check the URL and the network, then try again."
        ) from None


def _reason(error: BaseException) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "the server did not respond in time"
    if isinstance(error, httpx.RemoteProtocolError):
        return "the response is cut short, or is not HTTP"
    if isinstance(error, httpx.UnsupportedProtocol | ValueError | ImportError):
        return "the URL or a proxy of the environment is not valid"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not valid ({cause.verify_message})"
        if isinstance(cause, OSError) and cause.strerror and not isinstance(cause, ssl.SSLError):
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return "the connection failed"


async def _within_time(url: httpx.URL) -> bytes:
    async with (
        asyncio.timeout(MAX_SECONDS),
        httpx.AsyncClient(timeout=30.0, headers={"Accept-Encoding": "gzip"}) as client,
    ):
        return await _follow(client, url)


async def _follow(client: httpx.AsyncClient, start: httpx.URL) -> bytes:
    url = start
    for _ in range(MAX_REDIRECTS + 1):
        # A user and password in the URL are not sent, because the public specification does not need them.
        request = client.build_request("GET", url.copy_with(username=None, password=None))
        response = await client.send(request, stream=True)
        try:
            if response.has_redirect_location:
                url = redirected(start, url, response)
                continue
            if not response.is_success:
                raise RegenerationError(f"{shown(str(url))} responded with {response.status_code}. Check the URL.")
            return await _body(response, shown(str(url)))
        finally:
            await response.aclose()
    raise RegenerationError(f"{shown(str(start))} redirects more than {MAX_REDIRECTS} times. Pass the final URL.")


def redirected(start: httpx.URL, url: httpx.URL, response: httpx.Response) -> httpx.URL:
    """The target of a redirect. It must be on the host of the URL that the user passed."""
    try:
        target = url.join(response.headers.get("Location", ""))
    except (httpx.InvalidURL, ValueError):
        raise RegenerationError(
            f"{shown(str(start))} redirects to something that is not a URL. Pass the final URL."
        ) from None
    upgraded = (url.scheme, target.scheme) == ("http", "https") and _port(url) == 80 and _port(target) == 443
    same = (url.scheme, _port(url)) == (target.scheme, _port(target)) or upgraded
    if target.host != url.host or not same:
        other = f"{target.scheme}://{target.netloc.decode('ascii', 'replace')}"
        raise RegenerationError(
            f"{shown(str(start))} redirects to {unquote(other)}, which is not the same host. "
            "If you trust it, pass that URL."
        )
    return target


def _port(url: httpx.URL) -> int | None:
    return url.port or _PORTS.get(url.scheme)


async def _body(response: httpx.Response, name: str) -> bytes:
    """The body of a response. httpx itself would decompress a chunk of any size at once."""
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "x-gzip", "deflate", ""):
        raise RegenerationError(
            f"{name} has the encoding {encoding[:40]}, which was not requested. Download it to a file."
        )
    unpack = zlib.decompressobj(zlib.MAX_WBITS | 32) if encoding not in ("identity", "") else None
    data = bytearray()
    async for chunk in response.aiter_raw():
        try:
            data += chunk if unpack is None else unpack.decompress(chunk, MAX_BYTES + 1 - len(data))
        except zlib.error:
            raise RegenerationError(f"{name} is broken: it cannot be decompressed. Try again later.") from None
        if len(data) > MAX_BYTES:
            raise _too_large(name)
    if unpack is not None and not unpack.eof:
        raise RegenerationError(f"{name} is cut short: the compressed data does not end. Try again later.")
    return bytes(data)
