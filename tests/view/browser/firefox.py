"""Firefox by its own protocol, Marionette: JSON over a socket, no driver needed."""

from __future__ import annotations

import contextlib
import itertools
import json
import shutil
import socket
import subprocess
import time

NAMES = ("firefox", "firefox-esr")
PATIENCE = 120  # seconds


def executable():
    return next(filter(None, map(shutil.which, NAMES)), None)


class Firefox:
    """A window without a screen."""

    def __init__(self, connection):
        self.connection = connection
        self.left = b""
        self.numbers = itertools.count(1)
        self.read()  # what it says of itself
        self.ask("WebDriver:NewSession", {"capabilities": {"alwaysMatch": {}}})
        self.ask("WebDriver:SetTimeouts", {"script": 1000 * PATIENCE, "pageLoad": 1000 * PATIENCE})

    def read(self):
        """A message: its length, a colon, and JSON."""
        while b":" not in self.left:
            self.left += self.connection.recv(65536)
        length, _, rest = self.left.partition(b":")
        while len(rest) < int(length):
            rest += self.connection.recv(1 << 20)
        self.left = rest[int(length) :]
        return json.loads(rest[: int(length)])

    def ask(self, command, given):
        words = json.dumps([0, next(self.numbers), command, given]).encode()
        self.connection.sendall(b"%d:%s" % (len(words), words))
        _, _, error, answer = self.read()
        if error:
            raise RuntimeError(f"{command}: {error['message']}")
        return answer

    def open(self, url):
        self.ask("WebDriver:Navigate", {"url": url})

    def evaluate(self, script, *args):
        """What the body of a function returns; it may be a promise."""
        given = {"script": script, "args": list(args), "newSandbox": False, "sandbox": None}
        return self.ask("WebDriver:ExecuteScript", given)["value"]


@contextlib.contextmanager
def firefox(folder):
    """A running Firefox with a profile of its own in a folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "user.js").write_text(f'user_pref("marionette.port", {port});\n')
    command = [executable(), "--headless", "--marionette", "--profile", str(folder), "--no-remote"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + PATIENCE
        while True:
            try:
                connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
                break
            except OSError:
                assert time.monotonic() < until, "firefox does not answer"
                time.sleep(0.2)
        with connection:
            yield Firefox(connection)
    finally:
        process.terminate()
        process.wait(PATIENCE)
