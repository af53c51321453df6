"""Connections between the processes of a training, which tell when one of them is gone.

A collective operation waits for ever for a process that died. Here each holds a connection to the first, and
one closes when a process ends, however it ends; who sees that without a farewell ends as well.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading

FAREWELL, REASON = b".", b"!"  # of a process that is done; of one that stops, before a sentence that says why
CONNECT = 30.0  # seconds to wait for the first process
ALIVE = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 4}  # of a machine that is gone: known in 25 s
LOST = 2  # exit code
LONGEST = 4096  # bytes of a reason
STOPPED = "stopped by process"


class Lifeline:
    """The connections of one process: of the first to all others, of each other to the first."""

    def __init__(self, connections: dict[int, socket.socket]):
        self.connections = connections
        self.is_over = False
        for index, connection in connections.items():
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, seconds in ALIVE.items():
                if hasattr(socket, name):
                    connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), seconds)
            threading.Thread(target=self.watch, args=(index, connection), daemon=True).start()

    def watch(self, index: int, connection: socket.socket) -> None:
        last, reason = b"", ""
        with contextlib.suppress(OSError):
            last = connection.recv(1)
            if last == REASON:
                reason = received(connection)
        if last != FAREWELL and not self.is_over:
            self.leave(index, reason)

    def leave(self, index: int, reason: str) -> None:
        """End this process: it would wait for another that is gone."""
        why = f"process {index} of the training is gone, so this one stops; the last checkpoint is whole: "
        why += "start all processes again with --resume"
        if reason:
            why = reason if reason.startswith(STOPPED) else f"{STOPPED} {index}: {reason}"
        print(f"handgrad: {why}", file=sys.stderr, flush=True)
        self.close(why if reason else "")  # the first tells the others
        os._exit(LOST)

    def close(self, reason: str | None = None) -> None:
        """Let go of the others: with a farewell, or, for a reason, so that they stop too."""
        self.is_over = True
        last = FAREWELL if reason is None else REASON + reason.encode()[:LONGEST] if reason else b""
        for connection in self.connections.values():
            with contextlib.suppress(OSError):
                connection.sendall(last)
                connection.close()


def received(connection: socket.socket) -> str:
    """All that is still to come."""
    text = b""
    while part := connection.recv(LONGEST):
        text += part
    return text.decode(errors="replace")


def listening() -> socket.socket:
    """The first process's socket, at a free port."""
    server = socket.socket()
    server.bind(("", 0))
    server.listen()
    return server


def accepted(server: socket.socket, count: int) -> Lifeline:
    """The first process's: a connection from each of the others."""
    server.settimeout(CONNECT)
    found = {}
    for _ in range(count - 1):
        connection, _ = server.accept()
        connection.settimeout(None)
        found[int.from_bytes(connection.recv(4), "big")] = connection
    server.close()
    return Lifeline(found)


def connected(host: str, port: int, index: int) -> Lifeline:
    """Another process's: a connection to the first."""
    connection = socket.create_connection((host, port), timeout=CONNECT)
    connection.settimeout(None)
    connection.sendall(index.to_bytes(4, "big"))
    return Lifeline({0: connection})
