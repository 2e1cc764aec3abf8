"""A service that costs next to nothing, in a process of its own: the same for all that is measured.

What a job suggests follows from its id. A metric that was saved is listed once by its name, and then forgotten, so that
the next round saves it again. Run as a file, it prints its base URL and serves until its standard input ends.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from urllib.parse import parse_qs

AGENT = 101
MANY = 1000  # the id of a project, and how many metrics it has
_EXISTING = 10  # metrics that the agent has before anything is saved
_SETTINGS = (
    '"type":"llm_judge","prompt":"","agents":[101],"project":11,"audio_enabled":false,"enum_values":[],'
    '"display_order":0,"configuration":{},"simulation_enabled":true,"observability_enabled":true,'
    '"sampling_enabled":false,"add_to_new_agents":false,"evaluation_trigger":"always","trigger_type":"llm_judge",'
    '"evaluation_trigger_prompt":"","function_name":null'
)
_numbers = count(1)


def progress_id(metrics: int, done_at: float = 0.0) -> str:
    """The id of a job that suggests so many metrics, and is in progress until then (`time.time()`)."""
    return f"{next(_numbers) & 0xFFFFFFFF:08x}-{metrics:04x}-4000-8000-{int(done_at * 1000):012x}"


def suggested(number: int, job: str = "") -> dict[str, object]:
    """A metric as the service suggests it. Its name has the job's."""
    question = "Was the caller verified before anything personal was said or changed, in this part of the call?"
    return {
        "name": f"Caller verification: topic {number} {job}".strip(),
        "description": f"{question} Judge the part of the call that is about topic {number}.",
        "agent": AGENT,
        "eval_type": "binary",
        "scenarios": [5000 + number, 5300 + number],
        "rationale": "The description says that the caller's name and date of birth are checked.",
    }


def _saved(metric: dict[str, object]) -> str:
    return f'{{"id":{next(_numbers)},{_SETTINGS},{json.dumps(metric)[1:]}'


def _array(items: Iterator[str]) -> bytes:
    return f"[{','.join(items)}]".encode()


_LISTED = _array(_saved(suggested(9000 + number)) for number in range(_EXISTING))
_LISTED_OF_MANY = _array(_saved(suggested(number)) for number in range(MANY))
_COMPLETED: dict[int, bytes] = {}  # by the number of metrics
_JOB = b"job-of-the-metric"  # in their names, which differ from job to job
_UNLISTED: dict[str, str] = {}  # by name
_AGENT = b'{"id":101,"project":11,"agent_name":"Receptionist"}'
_IN_PROGRESS = {"agent_id": AGENT, "status": "in_progress", "current_step": "Writing", "metrics": [], "error": None}


def _answer(method: str, target: str, body: bytes) -> tuple[int, bytes]:  # noqa: PLR0911 - One for each endpoint.
    path, _, query = target.partition("?")
    match method, path.rstrip("/").rpartition("/")[2]:
        case "POST", "generate_metrics":
            return 200, json.dumps({"progress_id": progress_id(json.loads(body)["num_metrics"])}).encode()
        case "GET", "generate_metrics_progress":
            [job] = parse_qs(query)["progress_id"]
            number_of_metrics, done_at = int(job[9:13], 16), int(job[24:], 16)
            if done_at > time.time() * 1000:
                return 200, json.dumps(_IN_PROGRESS).encode()
            if number_of_metrics not in _COMPLETED:
                suggestions = [suggested(number, _JOB.decode()) for number in range(number_of_metrics)]
                done = {"status": "completed", "current_step": "Done", "metrics": suggestions}
                _COMPLETED[number_of_metrics] = json.dumps({**_IN_PROGRESS, **done}).encode()
            return 200, _COMPLETED[number_of_metrics].replace(_JOB, job[:8].encode())
        case "GET", "metrics":
            if "filters" not in (parameters := parse_qs(query)):
                return 200, _LISTED_OF_MANY if parameters.get("project_id") == [str(MANY)] else _LISTED
            [condition] = json.loads(parameters["filters"][0])["conditions"]
            return 200, _array(_UNLISTED.pop(name) for name in condition["value"] if name in _UNLISTED)
        case "GET", "101":
            return 200, _AGENT
        case "POST", "bulk_create":
            metrics = json.loads(body)
            saved = [_saved(metric) for metric in metrics]
            _UNLISTED.update(zip((metric["name"] for metric in metrics), saved, strict=True))
            return 201, _array(iter(saved))
    return 404, b'{"detail":"Not found."}'


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        while (end := self.received.find(b"\r\n\r\n")) >= 0:
            head = self.received[:end]
            length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
            stop = end + 4 + (int(length[1]) if length else 0)
            if len(self.received) < stop:
                return
            body, self.received = self.received[end + 4 : stop], self.received[stop:]
            method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
            status, answer = _answer(method, target, body)
            self.transport.write(
                b"HTTP/1.1 %d OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
                % (status, len(answer), answer)
            )


@contextmanager
def serving() -> Iterator[str]:
    """A running service, by its address. It is ended by its id, whatever happens."""
    process = subprocess.Popen(
        [sys.executable, "-I", __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Connection, "127.0.0.1", 0, backlog=4096)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve())
