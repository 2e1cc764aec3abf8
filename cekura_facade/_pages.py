"""Reads lists that have pages."""

from __future__ import annotations

from typing import Generic

import httpx
from cekura_api.transport import Endpoint, P, Page, T

from ._failures import unexpected
from ._http import HTTP, checked

_LONGEST = 4000  # maximum length of a URL, in characters


class Pages(Generic[T]):
    """The pages of a list. Each page has a link to the next one.

    Only the query of this link is used, so that every page is requested from the URL of the first one.

    Attributes:
        has_next: Whether there is another page.
    """

    def __init__(self, http: HTTP, endpoint: Endpoint[P, Page[T]], /, *args: P.args, **kwargs: P.kwargs) -> None:
        self._http = http
        self._request = checked(endpoint.build_request, *args, **kwargs)
        self._parse = endpoint.parse_response
        self._ids: set[int | str] = set()
        self._urls: set[object] = set()
        self.has_next = True

    async def next(self) -> list[T]:
        """Request the next page. Returns its new items."""
        response = await self._http.send(dict(self._request))
        page = self._parse(response)
        items = [item for item in page.results if self._is_new(item)]
        following = page.next_ or ""
        # Without this check, an empty page or a circular link would cause an endless loop.
        if following and (not items or not self._is_usable(following) or following in self._urls):
            raise unexpected(self._http.settings.credential, response, "its `next` is not a link to another page")
        self._urls.add(following)
        self.has_next = bool(following)
        if following:
            self._request["params"] = httpx.URL(str(following)).params
        return items

    def _is_new(self, item: T) -> bool:
        """Whether an item is new. If a list changes while it is read, its pages may repeat items."""
        number = getattr(item, "id", None)
        if not isinstance(number, int | str):
            return True
        is_new = number not in self._ids
        self._ids.add(number)
        return is_new

    def _is_usable(self, url: object) -> bool:
        if not isinstance(url, str) or len(url) > _LONGEST or self._http.settings.credential.is_in(url):
            return False
        try:
            return bool(httpx.URL(url).params)
        except (httpx.InvalidURL, UnicodeError):
            return False
