"""Finds the credential and the base URL in the arguments, the environment or ~/.cekura/config.toml, in this order."""

from __future__ import annotations

import functools
import os
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn, TypeVar
from urllib.parse import unquote

import attrs
import httpx
from cekura_api.calls import strings
from cekura_api.model import check

from ._errors import ConfigurationError

T = TypeVar("T")
LOADING = threading.Lock()
DEFAULT_BASE_URL = "https://api.cekura.ai"
FILE = "~/.cekura/config.toml"
_HOW_TO_SET_A_KEY = f'Pass api_key=... or bearer_token=..., set CEKURA_API_KEY, or write `api_key = "..."` to {FILE}.'
_SHORTEST_REDACTED = 8  # characters, because a shorter credential occurs in ordinary words

Secret = Callable[[], object]
"""A secret in a closure, because tracebacks and debuggers show variables and attributes, but not closures."""


def hide(secret: object) -> Secret:
    """Make a Secret."""
    return lambda: secret


class Credential:
    """A secret, the header that it is sent in, and where it came from."""

    __slots__ = ("_secret", "header", "source")

    def __init__(self, secret: Secret, source: str, *, is_token: bool) -> None:
        self.header = "Authorization" if is_token else "X-CEKURA-API-KEY"
        self.source: str = source
        if not isinstance(secret(), str) or not secret():
            raise ConfigurationError(f"The credential from {source} is not a string, or is empty. {_HOW_TO_SET_A_KEY}")
        self._secret: Callable[[], str] = lambda: str(secret())
        if not all("!" <= character <= "~" for character in self._secret()):
            raise ConfigurationError(
                f"The credential from {source} contains a space, a line break or a character outside of ASCII, which a "
                "header cannot contain. Copy only the credential itself."
            )

    def header_value(self) -> str:
        """The value of the header."""
        return f"Bearer {self._secret()}" if self.header == "Authorization" else self._secret()

    def redact(self, value: T) -> T:
        """A string, bytes or JSON without the secret, which a server may echo. A very short secret is not removed."""
        secret = self._secret()
        result: Any = value
        if len(secret) < _SHORTEST_REDACTED:
            return value
        if isinstance(value, str):
            result = value.replace(secret, "[redacted]")
        elif isinstance(value, bytes):
            result = value.replace(secret.encode(), b"[redacted]")
        elif isinstance(value, dict):
            result = {self.redact(key): self.redact(item) for key, item in value.items()}
        elif isinstance(value, list | tuple):
            result = type(value)(map(self.redact, value))
        redacted: T = result
        return redacted

    def is_in(self, url: str) -> bool:
        """Whether a URL, or a part of one, contains the secret. This cannot be known for a very short secret."""
        return len(self._secret()) >= _SHORTEST_REDACTED and self._secret() in unquote(url)

    def __repr__(self) -> str:
        return f"<Credential from {self.source}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A credential cannot be pickled. Pass a progress id, and create a client where it is used.")


@attrs.frozen(kw_only=True)
class Settings:
    """The configuration of a client."""

    timeout: float
    max_retries: int
    max_response_bytes: int
    settle_timeout: float
    user_agent: str | None
    credential: Credential
    base_url: httpx.URL
    base_url_source: str

    def __attrs_post_init__(self) -> None:
        try:
            check("timeout", self.timeout, float, minimum=0.001, maximum=1e6)
            check("max_retries", self.max_retries, int, minimum=0)
            check("max_response_bytes", self.max_response_bytes, int, minimum=1)
            check("settle_timeout", self.settle_timeout, float, minimum=0, maximum=1e6)
            check("user_agent", self.user_agent, str | None)
            strings({"user_agent": self.user_agent})
        except ValueError as error:
            raise ConfigurationError(str(error)) from None


def configure(api_key: Secret, bearer_token: Secret, base_url: str | None, **options: Any) -> Settings:
    """Find the credential and the base URL, and check the other settings."""
    config = functools.cache(_read_file)  # The file is read only if a value from it is needed.
    credential = _credential(api_key, bearer_token, config)
    url, source = _base_url(base_url, config)
    return Settings(credential=credential, base_url=url, base_url_source=source, **options)


def _credential(api_key: Secret, bearer_token: Secret, config: Callable[[], Mapping[str, Any]]) -> Credential:
    if api_key() is not None and bearer_token() is not None:
        raise ConfigurationError("Pass either api_key or bearer_token, not both.")
    if api_key() is not None:
        return Credential(api_key, "api_key=", is_token=False)
    if bearer_token() is not None:
        return Credential(bearer_token, "bearer_token=", is_token=True)
    if os.environ.get("CEKURA_API_KEY"):
        return Credential(hide(os.environ["CEKURA_API_KEY"]), "CEKURA_API_KEY", is_token=False)
    if "api_key" in config():
        return Credential(hide(config()["api_key"]), f"api_key in {FILE}", is_token=False)
    if "access_token" in config():
        _refuse_expired(config().get("token_expires_at"))
        return Credential(hide(config()["access_token"]), f"access_token in {FILE}", is_token=True)
    raise ConfigurationError(f"No API key. {_HOW_TO_SET_A_KEY}")


def _refuse_expired(expires_at: object) -> None:
    if expires_at is None:
        return
    try:
        moment = expires_at if isinstance(expires_at, datetime) else datetime.fromisoformat(str(expires_at))
    except ValueError:
        raise ConfigurationError(f"token_expires_at in {FILE} is not a time in ISO 8601.") from None
    if (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) <= datetime.now(UTC):
        raise ConfigurationError(f"The access token in {FILE} expired at {moment}. Log in again. {_HOW_TO_SET_A_KEY}")


def _base_url(argument: str | None, config: Callable[[], Mapping[str, Any]]) -> tuple[httpx.URL, str]:
    value: object = argument
    source = "base_url="
    if value is None:
        value, source = os.environ.get("CEKURA_API_URL"), "CEKURA_API_URL"
        if not value:
            value, source = config().get("api_url"), f"api_url in {FILE}"
        if value is None:
            value, source = DEFAULT_BASE_URL, "the default"
    try:
        url = httpx.URL(value if isinstance(value, str) else "")
        url.host.encode("idna")
    except (httpx.InvalidURL, UnicodeError):
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or not url.host.strip("."):
        raise ConfigurationError(
            f"The base URL from {source} is not an http(s) URL. Include the scheme, as in {DEFAULT_BASE_URL}."
        )
    if url.userinfo or "?" in str(value) or "#" in str(value):
        raise ConfigurationError(f"The base URL from {source} contains a user, query or fragment. Leave these out.")
    return url, source


def _read_file() -> Mapping[str, Any]:
    import tomllib  # Imported here because most programs do not need it.

    try:
        return tomllib.loads(Path(FILE).expanduser().read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        reason = f"is not valid TOML: {error}"  # Such a message quotes at most one character of the file.
    except (FileNotFoundError, NotADirectoryError, RuntimeError):
        return {}  # The file or the user's home folder does not exist.
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
    raise ConfigurationError(f"{FILE} {reason}. Fix it, or pass api_key=... and base_url=....")


@contextmanager
def configuration_errors() -> Iterator[None]:
    """Turn the errors that httpx raises for a wrong environment into a ConfigurationError."""
    try:
        Path(os.environ.get("SSL_CERT_FILE", "")).stat()  # httpx reads it only later.
        yield
    except (ImportError, ValueError, OSError, httpx.InvalidURL) as error:
        raise ConfigurationError(
            f"The HTTP client cannot be created: {error}. Check the environment variables *_PROXY and SSL_CERT_*, or "
            "pass your own http_client."
        ) from error


class TLSContext(ssl.SSLContext):
    """The certificates for a client. They are loaded before the first https request, and once for all clients.

    Connections use the loaded context. This object itself has no certificates, so it would not trust any server.
    """

    def wrap_socket(self, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        return self.loaded.wrap_socket(*args, **kwargs)

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        return self.loaded.wrap_bio(*args, **kwargs)

    @functools.cached_property
    def loaded(self) -> ssl.SSLContext:
        """The context with the certificates."""
        with LOADING, configuration_errors():
            return load_certificates(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@functools.cache
def load_certificates(*_: str | None) -> ssl.SSLContext:
    context = httpx.create_ssl_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
