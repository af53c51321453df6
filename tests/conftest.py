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
    """Compiled code goes to a folder of this run, never to the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HANDGRAD_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def own_path():
    """Folders that the command looks in, where a file may be called json.py, are not left to other tests."""
    before = sys.path[:]
    yield
    sys.path[:] = before
