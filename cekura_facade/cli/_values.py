"""Reads and checks the values of options, and builds the arguments of the generated client."""

from __future__ import annotations

import difflib
import json
from io import BytesIO
from pathlib import Path
from typing import Any, NoReturn, get_args, get_type_hints

from cekura_api.model import Model, fields_of, reader
from cekura_api.transport import Endpoint
from cekura_api.types import File

from . import _yaml
from ._api import option
from ._errors import WrongUsage
from ._files import read_bytes
from ._operations import Field, Operation
from ._text import visible

_NO_JSON = object()
_UPLOAD = 2**28  # maximum size of a file to send, in bytes
Passed = list[tuple[Field, list[str]]]


def arguments(
    operation: Operation, endpoint: Endpoint[..., object], passed: Passed, data: Path | None
) -> dict[str, Any]:
    """The arguments for `build_request` of an operation. Raises WrongUsage if one is missing or not valid."""
    hints = get_type_hints(endpoint.build_request)
    found = {each.name: read_option(each, texts, hints[each.name]) for each, texts in passed if not each.key}
    if missing := [each for each in operation.fields if each.is_required and not each.key and each.name not in found]:
        raise WrongUsage(f"Missing {' and '.join(map(option, missing))}. Nothing was sent.")
    if operation.has_body:
        found["body"] = _body(operation, hints["body"], passed, data)
    elif data is not None:
        raise WrongUsage(f"{operation.name} has no body, so --data does not apply. Nothing was sent.")
    return found


def body_fields(model: type[Model], passed: Passed, data: Path | None) -> dict[str, Any]:
    """The fields of a body: those in a file, overridden by options. Raises WrongUsage."""
    known = {each.key: each for each in fields_of[model]}
    body = {} if data is None else read_data(data)
    if not isinstance(body, dict):
        raise WrongUsage(f"{_name(data)}: expected a JSON object with the fields of the body. Nothing was sent.")
    for key in body:
        if key not in known and (meant := difflib.get_close_matches(key, known, cutoff=0.75)):
            raise WrongUsage(f"{_name(data)}: there is no field {key!r}. Did you mean {meant[0]!r}? Nothing was sent.")
    return body | {each.key: read_option(each, texts, known[each.key].kind) for each, texts in passed if each.key}


def read_data(path: Path) -> object:
    """The JSON in a file, or in standard input if the path is `-`. Raises WrongUsage."""
    raw = _read(path)
    try:
        value = json.loads(raw, parse_constant=_no_constant, parse_int=_yaml.integer, object_pairs_hook=_yaml.unique)
        _yaml.check(value)
    except UnicodeDecodeError:
        raise WrongUsage(f"{_name(path)} is not UTF-8 text. Nothing was sent.") from None
    except RecursionError:
        raise WrongUsage(f"{_name(path)}: nested more than {_yaml.MAX_DEPTH} levels deep. Nothing was sent.") from None
    except _yaml.BrokenText as error:
        raise WrongUsage(f"{_name(path)}: {visible(error)} Nothing was sent.") from None
    except ValueError as error:
        raise WrongUsage(f"{_name(path)} is not JSON: {visible(error).rstrip('.')}. Nothing was sent.") from None
    if _yaml.has_half_character(value):
        raise WrongUsage(
            f"{_name(path)} contains half of a surrogate pair, such as \\ud800, which cannot be sent. Remove it. "
            "Nothing was sent."
        )
    return value


def read_text(text: str) -> str:
    """A string, or the contents of a file for `@FILE`. Raises WrongUsage."""
    if text.startswith("@@"):
        return text[1:]
    if not text.startswith("@"):
        return text
    try:
        return _read(Path(text[1:])).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise WrongUsage(f"{_name(Path(text[1:]))} is not UTF-8 text. Nothing was sent.") from None


def read_option(field: Field, texts: list[str], kind: object) -> object:
    """The value of an option, converted to its type. Raises WrongUsage."""
    if not field.is_list:
        return _value(field, texts[-1], kind)
    if len(texts) == 1 and texts[0].lstrip().startswith(("[", "@")):
        return _value(field, texts[0], kind)
    items = next(get_args(each)[0] for each in (kind, *get_args(kind)) if getattr(each, "__origin__", None) is list)
    return [_value(field, text, items) for text in texts]


def _value(field: Field, text: str, kind: object) -> object:
    accepted = reader(kind).accepted
    if File in accepted:
        return _file(field, text)
    text = read_text(text)
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        value = _NO_JSON
    if str in accepted or (object in accepted and value is _NO_JSON):
        fits = value is not _NO_JSON and not isinstance(value, str) and _fits(kind, value)
        value = value if fits else _known(field, text)
    try:
        if value is _NO_JSON:
            raise ValueError(f"expected {reader(kind).expected}")
        reader(kind).read(value)
    except ValueError as error:
        shown = visible(text if len(text) <= 60 else text[:60] + "…")
        raise WrongUsage(f"{option(field)} {shown}: {error}. Nothing was sent.") from None
    return value


def _known(field: Field, text: str) -> str:
    """Return a string that the specification lists. Raises WrongUsage if it lists only others."""
    if field.values and text not in field.values:
        meant = difflib.get_close_matches(text, field.values)
        hint = f"Did you mean {meant[0]!r}?" if meant else f"Known values: {', '.join(field.values)}."
        raise WrongUsage(
            f"{option(field)} {visible(text)}: unknown value. {hint} --data sends other values. Nothing was sent."
        )
    return text


def _fits(kind: object, value: object) -> bool:
    try:
        reader(kind).read(value)
    except ValueError:
        return False
    return True


def _body(operation: Operation, kind: object, passed: Passed, data: Path | None) -> object:
    kinds = [kind, *get_args(kind)]
    model = next((each for each in kinds if isinstance(each, type) and issubclass(each, Model)), None)
    if model is not None and getattr(kind, "__origin__", None) is not list:
        fields = body_fields(model, passed, data)
        if missing := [each for each in operation.fields if each.key and each.is_required and each.key not in fields]:
            instead = "it, or its field" if len(missing) == 1 else "them, or their fields"
            raise WrongUsage(
                f"Missing {' and '.join(map(option, missing))}. Pass {instead} in the file of --data. Nothing was sent."
            )
        if not fields:
            raise WrongUsage("Nothing to send. Pass at least one option for a field of the body, or --data.")
        return fields if len(kinds) > 1 else model.from_dict(fields)  # A form is sent as its model.
    if data is None:
        raise WrongUsage(f"{operation.name} needs --data with the body. Nothing was sent.")
    body = read_data(data)
    try:
        reader(kind).read(body)
    except ValueError as error:
        raise WrongUsage(f"{_name(data)}: {visible(error)}. Nothing was sent.") from None
    return body


def _file(field: Field, text: str) -> File:
    if not text.startswith("@") or text.startswith("@@"):
        raise WrongUsage(f"{option(field)} needs a file: write @FILE. Nothing was sent.")
    path = Path(text[1:])
    return File(payload=BytesIO(_read(path, _UPLOAD)), file_name=path.name)


def _read(path: Path, limit: int = 2**24) -> bytes:
    try:
        return read_bytes(path, _name(path), limit)
    except OSError as error:
        raise WrongUsage(f"{_name(path)} cannot be read: {error.strerror}. Nothing was sent.") from None


def _name(path: Path | None) -> str:
    return "Standard input" if str(path) == "-" else visible(path)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")
