"""A Latchkey server for tests. Copy this file into your tests; docs/TESTING.md explains it."""

import itertools
import json
import os
import subprocess
import time
import urllib.request
from datetime import datetime

import pytest


class Latchkey:
    """A running server."""

    def __init__(self, url, api_key):
        self.url, self.api_key = url, api_key
        self.phones = (f"+1202555{number:04}" for number in itertools.count(100))

    def dev(self, path, body=None):
        """Calls a route under /_dev. A body makes it a POST."""
        body = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/_dev/{path}", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read() or "null")

    def messages_to(self, phone):
        return [sms["message"] for sms in self.dev("sms") if sms["to"] == phone]

    def advance(self, seconds):
        self.dev("clock", {"advance_seconds": seconds})

    def now(self):
        return datetime.fromisoformat(self.dev("clock")["now"].replace("Z", "+00:00"))


@pytest.fixture(scope="session")
def latchkey(tmp_path_factory):
    folder = tmp_path_factory.mktemp("latchkey")
    ready_file, log = folder / "ready.json", folder / "log"
    binary = os.environ.get("LATCHKEY_BIN", "latchkey")
    command = [binary, "serve", "--in-memory", "--port", "0", "--ready-file", ready_file]
    with log.open("w") as errors:
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)
    try:
        deadline = time.monotonic() + 30
        while not ready_file.exists():
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"latchkey did not start: {log.read_text()}")
            time.sleep(0.02)
        ready = json.loads(ready_file.read_text())
        yield Latchkey(ready["url"], ready["api_key"])
    finally:
        server.kill()  # It keeps nothing.
        server.wait()
