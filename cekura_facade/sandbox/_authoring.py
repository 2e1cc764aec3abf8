"""The handlers for previewing a metric, simplifying a prompt and suggesting an evaluation trigger."""

from __future__ import annotations

import re
import uuid
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from cekura_facade.sandbox._json import json_response
from cekura_facade.sandbox._rules import (
    ErrorResponse,
    cleaned,
    metric_problems,
    preview_problems,
    simplification_problems,
)
from cekura_facade.sandbox._state import State, Task

_MAX_IMMEDIATE_LENGTH = 200  # Characters. A longer prompt is simplified in a background task.


class Authoring:
    """The handlers. Each returns a response to a request and its parsed body, or raises `ErrorResponse`."""

    def __init__(self, state: State) -> None:
        self._state = state

    def preview(self, request: Request, body: Any) -> Response:
        if problems := preview_problems(body):
            raise ErrorResponse(400, problems)
        ids = [("call_log_id", number) for number in body.get("call_log_ids", [])]
        ids += [("run_id", number) for number in body.get("run_ids", [])]
        metric = body["metric_data"]
        scores = {"continuous_qualitative": 4, "numeric": 3, "enum": (metric.get("enum_values") or [None])[0]}
        score = scores.get(metric["eval_type"], True)
        explanation = f"The sandbox invented this score for {metric['name']!r}."
        results = [{kind: number, "score": score, "explanation": explanation} for kind, number in ids]
        return json_response({"progress_id": self._start_task({"results": results})})

    def simplify(self, request: Request, body: Any) -> Response:
        if problems := simplification_problems(body):
            raise ErrorResponse(400, problems)
        prompt = body["original_prompt"]
        shorter = " ".join(re.split(r"(?<=[.!?])\s+", " ".join(prompt.split()))[:2])
        result = {"original_prompt": prompt, "simplified_prompt": shorter, "skipped_simplification": shorter == prompt}
        if len(prompt) <= _MAX_IMMEDIATE_LENGTH:
            return json_response(result)
        metric = {"metric_id": body["metric_id"]} if "metric_id" in body else {}
        return json_response({"progress_id": self._start_task({**result, **metric})})

    def progress(self, request: Request, body: Any) -> Response:
        progress_id = request.query_params.get("progress_id")
        if not progress_id:
            raise ErrorResponse(400, {"progress_id": ["This field is required."]})
        task = self._state.tasks.get(progress_id)
        if task is None:
            raise ErrorResponse(404, {"detail": "Not found."})
        return json_response(task.progress())

    def trigger(self, request: Request, body: Any) -> Response:
        sent = cleaned(body)
        if problems := metric_problems(self._state, sent):
            raise ErrorResponse(400, problems)
        topic = str(sent.get("description") or sent["name"]).strip().rstrip(".?!")
        prompt = f"Evaluate only calls in which this comes up: {topic}."
        suggested = {"evaluation_trigger": "custom", "trigger_type": "llm_judge", "evaluation_trigger_prompt": prompt}
        return json_response({**sent, **suggested})

    def _start_task(self, result: dict[str, Any]) -> str:
        task = Task(
            result=result,
            seconds=self._state.job_seconds,
            failure=self._state.failures.popleft() if self._state.failures else None,
            started_at=self._state.now(),
            now=self._state.now,
        )
        progress_id = str(uuid.uuid4())
        self._state.tasks[progress_id] = task
        return progress_id
