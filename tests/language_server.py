"""Uses pyright's language server like an editor, with JSON-RPC over standard input and output."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from tests.installing import clean_variables

_LIMIT = 300.0  # seconds, after which a hanging server is ended


class LanguageServer:
    """A language server that runs in a folder. It reads the folder's pyrightconfig.json."""

    def __init__(self, folder: Path, to: IO[bytes], answers: IO[bytes]) -> None:
        self._to, self._answers = to, answers
        self._numbers = itertools.count(1)
        capabilities = {"textDocument": {"hover": {"contentFormat": ["plaintext"]}}}
        folders = [{"uri": folder.as_uri(), "name": "programs"}]
        self.request(
            "initialize", processId=os.getpid(), rootUri=None, workspaceFolders=folders, capabilities=capabilities
        )
        self.notify("initialized")

    def request(self, method: str, **params: Any) -> Any:
        """Send a request, and return its result."""
        number = next(self._numbers)
        self._send({"id": number, "method": method, "params": params})
        while True:
            message = self._receive()
            if "method" in message and "id" in message:
                # The server requests settings or a progress bar. Without them, it uses its defaults.
                self._send({"id": message["id"], "result": None})
            elif message.get("id") == number:
                if "error" in message:
                    raise RuntimeError(message["error"]["message"])
                return message["result"]

    def notify(self, method: str, **params: Any) -> None:
        """Send a notification."""
        self._send({"method": method, "params": params})

    def hover(self, file: Path, what: str) -> str:
        """Open a file, and return the text that an editor shows over the last character of `what`."""
        text = file.read_text("utf-8")
        document = {"uri": file.as_uri(), "languageId": "python", "version": 1, "text": text}
        self.notify("textDocument/didOpen", textDocument=document)
        before = text[: text.index(what) + len(what) - 1]
        position = {"line": before.count("\n"), "character": len(before) - before.rfind("\n") - 1}
        shown = self.request("textDocument/hover", textDocument={"uri": document["uri"]}, position=position)
        self.notify("textDocument/didClose", textDocument={"uri": document["uri"]})
        return str(shown["contents"]["value"]) if shown else ""

    def _send(self, message: dict[str, Any]) -> None:
        content = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._to.write(b"Content-Length: %d\r\n\r\n%b" % (len(content), content))
        self._to.flush()

    def _receive(self) -> Any:
        length = 0
        while line := self._answers.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if not length:
            raise EOFError("The language server ended.")
        return json.loads(self._answers.read(length))


@contextmanager
def language_server(folder: Path) -> Iterator[LanguageServer]:
    """Run pyright's language server in a folder."""
    command = [sys.executable, "-m", "pyright.langserver", "--stdio"]
    variables, pipe = clean_variables(), subprocess.PIPE
    with subprocess.Popen(command, cwd=folder, env=variables, stdin=pipe, stdout=pipe) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        alarm = threading.Timer(_LIMIT, process.kill)
        alarm.start()
        try:
            server = LanguageServer(folder, process.stdin, process.stdout)
            yield server
            server.request("shutdown")
            server.notify("exit")
        finally:
            alarm.cancel()
            process.kill()
