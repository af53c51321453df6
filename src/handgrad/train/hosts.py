"""The processes that make one training together; usually there is one."""

from __future__ import annotations

import contextlib
import hashlib
import json
import signal
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from handgrad.train.lifeline import Lifeline, accepted, connected, listening

HEARTBEAT = 20  # seconds after which a process that says nothing is taken for dead
DIGEST = 8  # bytes


class HostLost(RuntimeError):
    """Another process of the training is gone; what was reached last is in the checkpoint."""


class Hosts:
    """One process alone."""

    index = 0
    count = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes figures and shows progress."""
        return self.index == 0

    def most(self, *numbers: float) -> list[float]:
        """The largest of each number among all processes; all must ask at once."""
        return list(numbers)

    def wait(self, name: str) -> None:
        """Until all processes are here."""

    def leave(self, reason: str | None = None) -> None:
        """The others go on without this one; or, for a reason, stop too."""

    def whole(self, x: Any) -> np.ndarray:
        """An array of the training in this process's memory; all must ask at once."""
        return np.asarray(x)

    def check_same(self, description: dict[str, Any]) -> None:
        """That all processes train the same.

        Raises:
            ValueError: one does not; the message says what differs, in every process.
        """


class JaxHosts(Hosts):
    """The processes that JAX knows of."""

    def __init__(self) -> None:
        import jax

        self.index, self.count = jax.process_index(), jax.process_count()
        self.lifeline: Lifeline | None = None

    def hold_together(self, host: str) -> None:
        """Make each process end when another is gone; ``host`` is the first one's."""
        server = listening() if self.is_first else None
        port = server.getsockname()[1] if server is not None else 0
        (port,) = self.most(port)
        if server is not None:
            self.lifeline = accepted(server, self.count)
        else:
            self.lifeline = connected(host, int(port), self.index)

    def leave(self, reason: str | None = None) -> None:
        if self.lifeline is not None:
            self.lifeline.close(reason)

    def most(self, *numbers: float) -> list[float]:
        if self.count == 1:
            return list(numbers)
        return self._gathered(np.array(numbers, np.float64)).max(0).tolist()

    def wait(self, name: str) -> None:
        from jax.experimental import multihost_utils

        if self.count > 1:
            with lost_hosts():
                multihost_utils.sync_global_devices(name)

    def whole(self, x: Any) -> np.ndarray:
        from jax.experimental import multihost_utils

        if getattr(x, "is_fully_addressable", True) or x.is_fully_replicated:
            return np.asarray(x)
        with lost_hosts():
            return np.asarray(multihost_utils.process_allgather(x, tiled=True))

    def check_same(self, description: dict[str, Any]) -> None:
        if self.count == 1:
            return
        digests = [digest(value) for value in description.values()]
        found = self._gathered(np.array(digests, np.uint32))
        for name, column in zip(description, found.swapaxes(0, 1), strict=True):
            others = [i for i, each in enumerate(column) if not np.array_equal(each, column[0])]
            if others:
                which = (
                    f"process {others[0]}" if len(others) == 1 else f"processes {', '.join(map(str, others))}"
                )
                raise ValueError(f"{which} and process 0 do not train the same: their {name} differ")

    def _gathered(self, x: np.ndarray) -> np.ndarray:
        """The array of each process, one after the other."""
        import jax
        from jax.experimental import multihost_utils

        with lost_hosts(), jax.enable_x64(True):
            return np.asarray(multihost_utils.process_allgather(x)).reshape(self.count, *x.shape)


def digest(value: Any) -> list[int]:
    """Of what JSON can say, as two words of 32 bits."""
    text = json.dumps(value, sort_keys=True, default=str).encode()
    return np.frombuffer(hashlib.blake2b(text, digest_size=DIGEST).digest(), np.uint32).tolist()


@contextlib.contextmanager
def lost_hosts() -> Iterator[None]:
    """JAX's errors of a process that is gone, as one sentence."""
    import jax

    try:
        yield
    except (jax.errors.JaxRuntimeError, ValueError) as error:
        if isinstance(error, ValueError) and "gloo" not in str(error).lower():
            raise
        first = str(error).strip().splitlines()[0][:200]
        raise HostLost(
            f"another process of the training is gone ({first}): the last checkpoint is whole; start all "
            f"processes again with --resume"
        ) from error


def join(address: str | None, count: int | None, index: int | None) -> Hosts:
    """Join the other processes, at the address of the first, or as the environment says (SLURM, Open MPI,
    Kubernetes), before anything else of JAX is used.

    Raises:
        ValueError: some of the three are said and some not; an index that is none of ``count``.
        HostLost: the others did not come.
    """
    import jax

    said = [address is not None, count is not None, index is not None]
    if any(said) and not all(said):
        raise ValueError("--hosts, --host-count and --host-index are given together, or none of them")
    if count is not None and index is not None and not 0 <= index < count:
        raise ValueError(f"--host-index {index} is none of {count} processes, which are numbered from 0")
    try:
        jax.distributed.initialize(
            address, count, index, heartbeat_timeout_seconds=HEARTBEAT, shutdown_timeout_seconds=HEARTBEAT
        )
    except (RuntimeError, ValueError) as error:
        first = str(error).strip().splitlines()[0][:200]
        if "should be defined" in first:
            raise ValueError(
                "--hosts auto: no SLURM, Open MPI or Kubernetes here says which processes there are: give "
                "--hosts ADDRESS:PORT, --host-count and --host-index"
            ) from None
        raise HostLost(f"the processes of the training did not meet ({first})") from error
    hosts = JaxHosts()
    if hosts.count > 1:
        hosts.hold_together((address or coordinator()).rpartition(":")[0])
    return hosts


def coordinator() -> str:
    """The address of the first process, as JAX found it."""
    from jax._src import distributed  # which says it nowhere else

    return str(distributed.global_state.coordinator_address)


@contextlib.contextmanager
def attentive(flagged: Any) -> Iterator[None]:
    """Ctrl-C and SIGTERM set ``flagged.wants_to_stop``, so that no step is cut off; a second Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: Any) -> None:
        if flagged.wants_to_stop and number == signal.SIGINT:
            raise KeyboardInterrupt
        flagged.wants_to_stop = True

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
