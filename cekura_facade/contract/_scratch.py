"""The metrics that a run creates, and their deletion."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from cekura_facade import APIError, AuthenticationError, CekuraError, NotFoundError, PermissionDeniedError
from cekura_facade._failures import may_be_processed
from cekura_facade._retry import growing

from ._result import Remaining
from ._service import Fields, NotObserved, Service, has_id

PREFIX = "cekura-facade check"


class Scratch:
    """Creates metrics, and always deletes them.

    The name of each metric begins with a unique key. The key is ASCII with single spaces, so that no known text change
    affects it.

    Args:
        service: The service.
        scope: Arguments for a list that contains the metrics.
        wait: How long to search for a metric if the response to its creation was lost, in seconds.
    """

    def __init__(self, service: Service, scope: dict[str, int], wait: float) -> None:
        self.token = secrets.token_hex(8)
        self._service, self._scope, self._wait = service, scope, wait
        self._names: dict[str, str] = {}  # names of all metrics, by key
        self._unclear: set[str] = set()  # keys of the metrics that may exist under an unknown id
        self._ids: dict[int, str] = {}  # keys of the metrics that may exist, by id

    def fields(self, name: str = "", **more: object) -> dict[str, Any]:
        """The fields of a new metric that no agent uses. `{}` in the name stands for its unique beginning."""
        key = f"{self.token}-{len(self._names) + 1}"
        name = (name or "{}").format(f"{PREFIX} {key}")
        self._names[key] = name
        unused = dict.fromkeys(("add_to_new_agents", "simulation_enabled", "observability_enabled"), False)
        description = "Created by cekura-facade check, which deletes it again."
        return {"name": name, "description": description, "type": "llm_judge", "eval_type": "binary", **unused, **more}

    def key(self, metric: Fields) -> str | None:
        """The key of one of our metrics, from its name."""
        found = re.search(rf"{PREFIX} ({self.token}-\d+)", str(metric.get("name")))
        return found[1] if found else None

    def create(self, fields: Fields) -> Fields:
        """Create one metric. Raises an APIError or NotObserved."""
        with self._creating([fields]):
            saved = self._service.create(fields)
            self._note([saved])
        return saved

    def create_in_bulk(self, metrics: Sequence[Fields]) -> object:
        """Create metrics in one request, and return the response. Raises an APIError or NotObserved."""
        with self._creating(metrics):
            saved = self._service.create_in_bulk(metrics)
            self._note(saved if isinstance(saved, list) else [])
        return saved

    def delete(self, metric_id: int) -> None:
        """Delete one of the metrics."""
        try:
            self._service.client.metrics.delete(metric_id)
        except NotFoundError as error:
            if not isinstance(error.body, dict):  # A 404 of a proxy is not JSON.
                raise
        self._ids.pop(metric_id, None)

    def listed(self) -> set[str]:
        """List our metrics in every way that may show them, and return their keys. Raises an error if all fail."""
        condition = {"field": "name", "op": "contains", "value": self.token}
        by_name = {"filters": json.dumps({"operator": "and", "conditions": [condition]})}
        error: Exception | None = None
        failures, keys = 0, set()
        queries: list[dict[str, Any]] = [{**self._scope, **by_name}, dict(self._scope), by_name]
        for query in queries:
            try:
                for metric in self._service.metrics(**query):
                    key = self.key(metric)
                    if key is not None:
                        self._ids[metric["id"]] = key
                        self._unclear.discard(key)
                        keys.add(key)
            except (CekuraError, NotObserved) as failure:
                error, failures = failure, failures + 1
        if error is not None and failures == len(queries):
            raise error
        return keys

    def clean_up(self) -> None:
        """Delete all of the metrics. After an interruption, start again once."""
        try:
            self._delete_all()
        except KeyboardInterrupt:
            self._delete_all()
            raise

    @property
    def remaining(self) -> list[Remaining]:
        """The metrics that are not known to be deleted."""
        known = [Remaining(id=number, name=self._names.get(key, key)) for number, key in sorted(self._ids.items())]
        return known + [Remaining(id=None, name=self._names[key]) for key in sorted(self._unclear)]

    @contextmanager
    def _creating(self, metrics: Sequence[Fields]) -> Iterator[None]:
        """Note that the metrics may exist, until a response shows whether they do."""
        keys = {key for fields in metrics if (key := self.key(fields))}
        self._unclear |= keys
        try:
            yield
        except APIError as error:
            if not may_be_processed(error):
                self._unclear -= keys
            raise

    def _note(self, saved: Sequence[Any]) -> None:
        """Note the ids in a response. A metric without our key in its name is looked up later, and not deleted."""
        for metric in filter(has_id, saved):
            if key := self.key(metric):
                self._ids[metric["id"]] = key
                self._unclear.discard(key)

    def _delete_all(self) -> None:
        """Delete and list until nothing may be left, the time is up, or a deletion is not allowed."""
        clock = self._service.http.clock
        until, pauses = clock.now() + self._wait, growing(0.25, 2.0)
        while True:
            last = clock.now() >= until
            try:
                self._delete_known()
                with suppress(CekuraError, NotObserved):
                    self.listed()
                self._delete_known()
            except (AuthenticationError, PermissionDeniedError):
                return
            if last or not (self._ids or self._unclear):
                return
            clock.sleep(max(0.0, min(next(pauses), until - clock.now())))

    def _delete_known(self) -> None:
        """Delete the metrics with known ids. Raises an error if a deletion is not allowed. Others are tried again."""
        for metric_id in list(self._ids):
            try:
                self.delete(metric_id)
            except (AuthenticationError, PermissionDeniedError):
                raise
            except CekuraError:
                continue
