import os
import signal
import sys
import threading

import pytest


@pytest.fixture(autouse=True, scope="session")
def heeds_interrupts():
    """What a shell runs in the background ignores them, and so would the commands that tests run."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    """Compiled code goes to a folder of this run, never to the user's; all processes of the run share it."""
    base = tmp_path_factory.getbasetemp()
    place = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "compiled"
    place.mkdir(mode=0o700, exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HANDGRAD_CACHE", str(place))
        yield


@pytest.fixture(autouse=True)
def own_path():
    """Folders that the command looks in, where a file may be called json.py, are not left to other tests."""
    before = sys.path[:]
    yield
    sys.path[:] = before
