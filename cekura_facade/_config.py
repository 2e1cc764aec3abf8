"""Where the credential and the address come from: arguments, then environment, then ~/.cekura/config.toml."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import unquote

import attrs
import httpx

from ._errors import ConfigurationError

DEFAULT_BASE_URL = "https://api.cekura.ai"
_FILE = "~/.cekura/config.toml"
_KEYS_COME_FROM = f'Give api_key=... or bearer_token=..., set CEKURA_API_KEY, or put `api_key = "..."` into {_FILE}.'
_KEY, _TOKEN = "X-CEKURA-API-KEY", "Authorization"  # the header that each kind of credential travels in

_SHORTEST_REDACTED = 8  # characters: a shorter credential is part of many words, and removing it garbles them

Secret = Callable[[], Any]
Config = Callable[[], Mapping[str, Any]]


def hide(secret: Any) -> Secret:
    """Put a secret where nobody prints it: tracebacks and debuggers show variables and attributes, not closures."""
    return lambda: secret


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

    def __init__(self, secret: Secret, header: str, source: str) -> None:
        """Check the secret, and keep it. `source` says where it came from, for people."""
        self.header = header
        self.source = source
        if flaw := _flaw(secret()):
            raise ConfigurationError(f"The credential from {source} {flaw}")
        self._reveal = hide(secret())

    def header_value(self) -> str:
        return f"Bearer {self._reveal()}" if self.header == _TOKEN else str(self._reveal())

    def redact(self, value: Any) -> Any:
        """Text, bytes or JSON without the secret, should a server have echoed it. A very short one is left in."""
        if len(self._reveal()) < _SHORTEST_REDACTED:
            return value
        if isinstance(value, str):
            return value.replace(self._reveal(), "[redacted]")
        if isinstance(value, bytes):
            return value.replace(self._reveal().encode(), b"[redacted]")
        if isinstance(value, dict):
            return {self.redact(key): self.redact(item) for key, item in value.items()}
        return type(value)(map(self.redact, value)) if isinstance(value, list | tuple) else value

    def is_in(self, address: str) -> bool:
        """Whether a URL, or a part of one, holds the secret. That of a very short one cannot be told."""
        return len(self._reveal()) >= _SHORTEST_REDACTED and self._reveal() in unquote(address)

    def __repr__(self) -> str:
        return f"<Credential from {self.source}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A credential cannot be pickled. Pass a progress id, and make a client where it is used.")


def _flaw(secret: object) -> str | None:
    if not isinstance(secret, str) or not secret:
        return f"is not a text, or is empty. {_KEYS_COME_FROM}"
    if not all("!" <= character <= "~" for character in secret):
        return (
            "holds a space, a line break or a character outside of ASCII, which cannot be sent in a header. "
            "Was it copied or read together with something else?"
        )
    return None


def _is_header_value(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and value.isprintable() and value.strip() == value != ""


@attrs.frozen(kw_only=True)
class Settings:
    """What a client was configured with: checked, and ready for use."""

    credential: Credential
    base_url: httpx.URL
    base_url_source: str
    user_agent: str | None
    timeout: float
    max_retries: int
    max_response_bytes: int
    settle_timeout: float


def resolve(
    api_key: Secret, bearer_token: Secret, base_url: str | None, user_agent: str | None, *given: Any
) -> Settings:
    """Settle the configuration. Raises ConfigurationError, saying what to do, when it cannot work."""
    config = functools.cache(_read_file)  # It is read when something from it is needed, and not before.
    numbers = dict(zip(_NUMBERS, given, strict=True))
    for name, (wanted, fits) in _NUMBERS.items():
        value = numbers[name]
        if isinstance(value, bool) or not isinstance(value, int | float) or not fits(value):
            raise ConfigurationError(f"{name} is {shown(value)}: give {wanted}.")
    if user_agent is not None and not _is_header_value(user_agent):
        raise ConfigurationError(
            f"user_agent is {shown(user_agent)}: give printable ASCII without spaces around it, like 'acme/1.0'."
        )
    credential = _credential(api_key, bearer_token, config)
    address, source = _base_url(base_url, config)
    return Settings(credential=credential, base_url=address, base_url_source=source, user_agent=user_agent, **numbers)


_NUMBERS: dict[str, tuple[str, Callable[[float], bool]]] = {
    "timeout": ("seconds, more than 0 and up to a million", lambda value: 0 < value <= 1e6),
    "max_retries": ("a whole number, 0 or more", lambda value: value >= 0 and isinstance(value, int)),
    "max_response_bytes": ("bytes, a whole number, 1 or more", lambda value: value >= 1 and isinstance(value, int)),
    "settle_timeout": ("seconds, 0 or more and up to a million", lambda value: 0 <= value <= 1e6),
}


def _credential(api_key: Secret, bearer_token: Secret, config: Config) -> Credential:
    if api_key() is not None and bearer_token() is not None:
        raise ConfigurationError("Both api_key and bearer_token are given: give the one that you mean.")
    candidates: list[tuple[Secret, str, str]] = [
        (api_key, _KEY, "api_key="),
        (bearer_token, _TOKEN, "bearer_token="),
        (lambda: os.environ.get("CEKURA_API_KEY") or None, _KEY, "CEKURA_API_KEY"),
        (lambda: config().get("api_key"), _KEY, f"api_key in {_FILE}"),
        (lambda: config().get("access_token"), _TOKEN, f"access_token in {_FILE}"),
    ]
    for secret, header, source in candidates:
        if secret() is not None:
            if source.startswith("access_token"):
                _refuse_expired(config().get("token_expires_at"))
            return Credential(secret, header, source)
    raise ConfigurationError(f"No API key. {_KEYS_COME_FROM}")


def _refuse_expired(expires_at: Any) -> None:
    if expires_at is None:
        return
    try:
        moment = expires_at if isinstance(expires_at, datetime) else datetime.fromisoformat(str(expires_at))
    except ValueError:
        raise ConfigurationError(f"token_expires_at in {_FILE} is not a time in ISO 8601.") from None
    if (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) <= datetime.now(UTC):
        raise ConfigurationError(f"The access token in {_FILE} expired at {moment}: log in again. {_KEYS_COME_FROM}")


def _base_url(argument: str | None, config: Config) -> tuple[httpx.URL, str]:
    value, source = argument, "base_url="
    if value is None:
        value, source = os.environ.get("CEKURA_API_URL"), "CEKURA_API_URL"
    if not value and source == "CEKURA_API_URL":
        value, source = config().get("api_url"), f"api_url in {_FILE}"
        if value is None:
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
    if url.userinfo or "?" in str(value) or "#" in str(value):
        raise ConfigurationError(f"The address from {source} holds a user, query or fragment: give the plain address.")
    return url, source


def _read_file() -> Mapping[str, Any]:
    import tomllib  # Most get by without it.

    try:
        return tomllib.loads(Path(_FILE).expanduser().read_text("utf-8"))
    except tomllib.TOMLDecodeError as error:
        reason = f"is not TOML: {error}"  # Its message shows where, and nothing of what stands there.
    except (ValueError, RecursionError):
        reason = "is not UTF-8 text, or holds a number or a list that is too long"
    except (FileNotFoundError, NotADirectoryError, RuntimeError):
        return {}  # There is none, or this user has no home folder.
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
    raise ConfigurationError(f"{_FILE} {reason}. Mend it, or give api_key=... and base_url=....")
