"""The signatures, call arguments and results of generated functions and methods, for the templates.

Every string is safe for its purpose: `key` and `url` are Python literals, `name` is an identifier, `type` is code of
the generator, and `text` is for a docstring.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import attrs

from .prose import literal


@attrs.frozen
class Argument:
    """A parameter of a generated function, or a field of a model. `type` does not include `Unset`."""

    name: str
    published: str
    type: str
    required: bool
    text: str
    limits: Mapping[str, int | float]

    @property
    def key(self) -> str:
        """Its published name, as code."""
        return literal(self.published)

    @property
    def limit_arguments(self) -> str:
        """Its limits as the last arguments of a call."""
        return "".join(f", {keyword}={limit!r}" for keyword, limit in self.limits.items())

    @property
    def declaration(self) -> str:
        """Its declaration in a function of an endpoint or in a model."""
        return f"{self.name}: {self.type}" if self.required else f"{self.name}: {self.type} | Unset = UNSET"

    @property
    def query_declaration(self) -> str:
        """Its declaration in a method of a resource, in which None is not sent."""
        if self.required:
            return self.declaration
        may_be_none = self.type in ("Any", "None") or re.search(r"\| None\b", self.type)
        return f"{self.name}: {self.type} = None" if may_be_none else f"{self.name}: {self.type} | None = None"

    @property
    def field_declaration(self) -> str:
        """The declaration of a field of a body in a method of a resource. The body may also have the field."""
        kind = "object" if self.type == "Any" else self.type  # Any JSON is accepted.
        return f"{self.name}: {kind} | Unset = UNSET"


@attrs.frozen
class RequestBody:
    """The body of a request. `model` is the class of a JSON object, whose `fields` are keywords of the method.

    `kind` is the argument of httpx for it: json or files. Stage 2 removes other media types from requests.
    """

    kind: str
    argument: Argument
    model: str
    fields: tuple[Argument, ...]

    @property
    def sent(self) -> str:
        """The code that a function of an endpoint passes to httpx."""
        if self.model:
            required = "" if self.argument.required else ", required=False"
            return f"_calls.json_body({self.model}, body{required})"
        if self.kind == "files":
            return f"body.to_multipart(){'' if self.argument.required else ' if body else UNSET'}"
        return "_calls.plain(body)"


@attrs.frozen
class Case:
    """One success: its status (None for any other), the type of its result, and how to read it ("" for JSON)."""

    status: str | None
    type: str
    read: str


@attrs.frozen
class Call:
    """One operation."""

    name: str
    method: str
    url: str
    text: str
    api_call: str
    path: tuple[Argument, ...]
    query: tuple[Argument, ...]
    headers: tuple[Argument, ...]
    cookies: tuple[Argument, ...]
    body: RequestBody | None
    cases: tuple[Case, ...]
    result: str
    item: str
    resource_method: str
    idempotent: bool
    requires_security: bool

    @property
    def keywords(self) -> tuple[Argument, ...]:
        """Every parameter that is not in the path or the body."""
        return (*self.query, *self.headers, *self.cookies)

    @property
    def groups(self) -> list[tuple[str, str, str, tuple[Argument, ...]]]:
        """The parameters outside of the path, by argument of httpx, with the function that creates this argument."""
        groups = (
            ("params", "parameters", "", self.query),
            ("headers", "strings", "", self.headers),
            ("cookies", "strings", ', forbidden=";"', self.cookies),
        )
        return [group for group in groups if group[3]]

    @property
    def arguments(self) -> tuple[Argument, ...]:
        """Every parameter of the functions of the endpoint, in their order."""
        return (*self.path, *((self.body.argument,) if self.body else ()), *self.keywords)

    @property
    def checked(self) -> tuple[Argument, ...]:
        """The parameters that are checked before a request is sent."""
        return tuple(argument for argument in (*self.path, *self.keywords) if argument.type != "Any")

    @property
    def signature(self) -> str:
        """The parameters of build_request."""
        return _signature(self.path, self.arguments[len(self.path) :])

    @property
    def client_signature(self) -> str:
        """The parameters of the functions that send the request."""
        client = "AuthenticatedClient" if self.requires_security else "AuthenticatedClient | Client"
        keywords = [f"client: {client}", *(each.declaration for each in self.arguments[len(self.path) :])]
        return ", ".join([*(each.declaration for each in self.path), "*", *keywords])

    @property
    def method_signature(self) -> str:
        """The parameters of the method of the resource class, without `self`."""
        parts = [each.declaration for each in self.path]
        keywords = sorted(self.keywords, key=lambda each: not each.required)
        if self.body is not None and self.body.model:
            parts.append(f"body: {self.body.model} | Mapping[str, object] | None = None")
        elif self.body is not None:
            parts.append(self.body.argument.declaration)
        fields = self.body.fields if self.body else ()
        declared = [each.query_declaration for each in keywords] + [each.field_declaration for each in fields]
        return ", ".join([*parts, *(["*"] if declared else []), *declared])

    @property
    def method_arguments(self) -> str:
        """The arguments that the method of the resource class passes to its transport, after the endpoint."""
        passed = [f"{each.name}={each.name}" for each in self.path]
        if self.body is not None and self.body.model:
            fields = ", ".join(f"{each.key}: {each.name}" for each in self.body.fields)
            passed.append(f"body=_calls.joined(body, {{{fields}}})")
        elif self.body is not None:
            passed.append("body=body")
        passed += [
            f"{each.name}={each.name}" if each.required else f"{each.name}=_calls.given({each.name})"
            for each in self.keywords
        ]
        return ", ".join([self.name, *passed])

    def method_result(self, prefix: str) -> str:
        """The return type of the method in the blocking class or, with the prefix "Async", the asynchronous one."""
        return f"{prefix}Iterator[{self.item}]" if self.item else self.result

    @property
    def types(self) -> list[str]:
        """The code of every type in the methods of the resource classes."""
        return [self.method_signature, self.method_result(""), self.method_result("Async")]

    @property
    def passed(self) -> str:
        """The arguments, passed by their own names."""
        return ", ".join(f"{each.name}={each.name}" for each in self.arguments)

    @property
    def endpoint_types(self) -> list[str]:
        """The code of every type in the module of the endpoint."""
        return [each.type for each in self.arguments] + [case.type for case in self.cases]

    def returns(self, prefix: str) -> str:
        """The description of the result, for docstrings."""
        if self.item:
            kind = "An asynchronous iterator" if prefix else "An iterator"
            return f"{kind} over the items of all pages. It requests a page when it needs it."
        if self.result == "None":
            return "Nothing."
        if self.result in ("Any", "Any | None"):
            return "The JSON value of the response."
        items = re.fullmatch(r"list\[(\w+)\]", self.result)
        return f"A list of `{items[1]}`." if items else f"The `{self.result}`."

    @property
    def documented(self) -> tuple[Argument, ...]:
        """The documented parameters of the method of the resource class, in order."""
        keywords = sorted(self.keywords, key=lambda each: not each.required)
        body = (self.body.argument,) if self.body else ()
        return (*self.path, *body, *keywords, *(self.body.fields if self.body else ()))


def _signature(path: Iterable[Argument], keywords: Iterable[Argument]) -> str:
    declared = [each.declaration for each in keywords]
    return ", ".join([*(each.declaration for each in path), *(["*"] if declared else []), *declared])


@attrs.frozen
class Resource:
    """The operations of a tag, as one class for each kind of client."""

    tag: str
    class_name: str
    calls: tuple[Call, ...]
    imports: tuple[str, ...]

    @property
    def hides_list(self) -> bool:
        """Whether a method named `list` hides the type from annotations in the class."""
        codes = [code for call in self.calls for code in call.types]
        return any(call.resource_method == "list" for call in self.calls) and any("list[" in code for code in codes)

    @property
    def names(self) -> set[str]:
        """Every name in the signatures, to import only these. ruff does not remove unused imports in an __init__.py."""
        return set(re.findall(r"\w+", " ".join(code for call in self.calls for code in call.types)))

    def annotation(self, code: str) -> str:
        """A type as the methods of the class must write it."""
        return re.sub(r"\blist\[", "builtins.list[", code) if self.hides_list else code
