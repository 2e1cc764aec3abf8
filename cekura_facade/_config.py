"""Where the credential and the address come from: arguments, then environment, then ~/.cekura/config.toml."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import attrs
import httpx

from ._errors import ConfigurationError

DEFAULT_BASE_URL = "https://api.cekura.ai"
CONFIG_FILE = Path(".cekura", "config.toml")
_KEYS_COME_FROM = (
    'Give api_key=... or bearer_token=..., set CEKURA_API_KEY, or put `api_key = "..."` into ~/.cekura/config.toml.'
)


def shown(value: object) -> str:
    """A value for a message: in full if it is short, and without failing if it is a number of thousands of digits."""
    try:
        text = repr(value)
    except ValueError:
        return f"a {type(value).__name__} too long to show"
    return text if len(text) <= 100 else text[:100] + "…"


class Credential:
    """A secret and the header it travels in. Shows itself nowhere: not in repr, vars or a pickle."""

    __slots__ = ("_reveal", "header", "source")

    def __init__(self, secret: object, *, header: str, source: str) -> None:
        """Check the secret, and keep it. `source` says where it came from, for people."""
        self.header = header
        self.source = source
        try:
            if not isinstance(secret, str) or not secret:
                raise ConfigurationError(f"The credential from {source} is not a text, or is empty. {_KEYS_COME_FROM}")
            if not all("!" <= character <= "~" for character in secret):
                raise ConfigurationError(
                    f"The credential from {source} holds a space, a line break or a character outside of ASCII, "
                    "which cannot be sent in a header. Was it copied or read together with something else?"
                )
            value = secret if header != "Authorization" else f"Bearer {secret}"
            # A closure, because the attributes of an object are what debuggers and error reporters print.
            self._reveal = _closure(secret, value)
        finally:
            # Tracebacks keep the variables of every function they went through.
            del secret

    def header_value(self) -> str:
        return self._reveal()[1]

    def redact(self, value: Any) -> Any:
        """Text, bytes or JSON without the secret, should a server have echoed it."""
        secret = self._reveal()[0]
        if isinstance(value, str):
            return value.replace(secret, "[redacted]")
        if isinstance(value, bytes):
            return value.replace(secret.encode(), b"[redacted]")
        if isinstance(value, dict):
            return {self.redact(key): self.redact(item) for key, item in value.items()}
        return [self.redact(item) for item in value] if isinstance(value, list) else value

    def __repr__(self) -> str:
        return f"<Credential from {self.source}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "A credential cannot be pickled. Pass a progress id instead, and make a client where it is used."
        )


def _closure(secret: str, header_value: str) -> Callable[[], tuple[str, str]]:
    return lambda: (secret, header_value)


@attrs.frozen
class Settings:
    """What a client was configured with."""

    credential: Credential
    base_url: httpx.URL
    timeout: float
    max_retries: int
    max_response_bytes: int


def resolve(
    api_key: str | None,
    bearer_token: str | None,
    base_url: str | None,
    timeout: float,
    max_retries: int,
    max_response_bytes: int,
) -> Settings:
    """Settle the configuration. Raises ConfigurationError, saying what to do, when it cannot work."""
    config = _ConfigFile()
    try:
        if api_key is not None and bearer_token is not None:
            raise ConfigurationError("Both api_key and bearer_token are given: give the one that you mean.")
        return Settings(
            credential=_credential(api_key, bearer_token, config),
            base_url=_base_url(base_url, config),
            timeout=_number(
                "timeout", timeout, "seconds, more than 0 and up to a million", lambda value: 0 < value <= 1e6
            ),
            max_retries=int(_number("max_retries", max_retries, "a whole number, 0 or more", _is_count)),
            max_response_bytes=int(
                _number("max_response_bytes", max_response_bytes, "bytes, a whole number, 1 or more", _is_size)
            ),
        )
    finally:
        del api_key, bearer_token, config


def _credential(api_key: str | None, bearer_token: str | None, config: _ConfigFile) -> Credential:
    try:
        if api_key is not None:
            return Credential(api_key, header="X-CEKURA-API-KEY", source="api_key=")
        if bearer_token is not None:
            return Credential(bearer_token, header="Authorization", source="bearer_token=")
        if os.environ.get("CEKURA_API_KEY"):
            return Credential(os.environ["CEKURA_API_KEY"], header="X-CEKURA-API-KEY", source="CEKURA_API_KEY")
        if config.get("api_key") is not None:
            return Credential(config.get("api_key"), header="X-CEKURA-API-KEY", source=f"api_key in {config.path}")
        if config.get("access_token") is not None:
            _refuse_expired(config)
            return Credential(
                config.get("access_token"), header="Authorization", source=f"access_token in {config.path}"
            )
        raise ConfigurationError(f"No API key. {_KEYS_COME_FROM}")
    finally:
        del api_key, bearer_token, config


def _refuse_expired(config: _ConfigFile) -> None:
    expires_at = config.get("token_expires_at")
    if expires_at is None:
        return
    try:
        moment = expires_at if isinstance(expires_at, datetime) else datetime.fromisoformat(str(expires_at))
    except ValueError:
        raise ConfigurationError(f"token_expires_at in {config.path} is not a time in ISO 8601.") from None
    if (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) <= datetime.now(UTC):
        raise ConfigurationError(
            f"The access token in {config.path} expired at {expires_at}: log in again. {_KEYS_COME_FROM}"
        )


def _base_url(argument: str | None, config: _ConfigFile) -> httpx.URL:
    if argument is not None:
        value, source = argument, "base_url="
    elif os.environ.get("CEKURA_API_URL"):
        value, source = os.environ["CEKURA_API_URL"], "CEKURA_API_URL"
    elif config.get("api_url") is not None:
        value, source = config.get("api_url"), f"api_url in {config.path}"
    else:
        value, source = DEFAULT_BASE_URL, "the default"
    try:
        url = httpx.URL(value if isinstance(value, str) else "")
        url.host.encode("idna")
    except (httpx.InvalidURL, UnicodeError):
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or not url.host.strip("."):
        raise ConfigurationError(
            f"The address from {source} is no http(s) URL. Give one with its scheme, like {DEFAULT_BASE_URL}."
        )
    if url.userinfo or "?" in value or "#" in value:
        raise ConfigurationError(f"The address from {source} holds a user, query or fragment: give the plain address.")
    return url


def _is_count(value: float) -> bool:
    return 0 <= value < float("inf") and value == int(value)


def _is_duration(value: float) -> bool:
    return 0 < value <= 1e6


def _is_size(value: float) -> bool:
    return value >= 1 and _is_count(value)


def _number(name: str, value: object, wanted: str, accept: Callable[[float], bool]) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value or not accept(value):
        raise ConfigurationError(f"{name} is {shown(value)}: give {wanted}.")
    return value


class _ConfigFile:
    """The vendor's configuration file, read when something from it is needed, and not before."""

    __slots__ = ("_values", "path")

    def __init__(self) -> None:
        self.path = "~/" + CONFIG_FILE.as_posix()
        self._values: dict[str, Any] | None = None

    def get(self, key: str) -> Any:
        if self._values is None:
            self._values = self._read()
        return self._values.get(key)

    def _read(self) -> dict[str, Any]:
        try:
            home = Path.home()
        except RuntimeError:
            return {}  # This user has no home folder.
        try:
            return tomllib.loads((home / CONFIG_FILE).read_text("utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except tomllib.TOMLDecodeError as error:
            # Its message shows where, and nothing of what stands there.
            reason = f"is not TOML: {error}"
        except UnicodeDecodeError:
            reason = "is not UTF-8 text"
        except (ValueError, RecursionError):
            reason = "holds a number too long or a list too deep"
        except OSError as error:
            reason = f"cannot be read: {error.strerror}"
        raise ConfigurationError(f"{self.path} {reason}. Mend it, or give api_key=... and base_url=....")
