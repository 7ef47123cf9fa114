"""How the interpreter is set while an import runs. Both settings are those of the whole process, and are put back."""

import gc
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_TURN_S = 0.0002

_lock = threading.Lock()
_imports = 0
_before_s = 0.0


@contextmanager
def no_collector() -> Iterator[None]:
    """Leave Python's collector of cycles out of it, for one chunk.

    A chunk makes hundreds of thousands of values, none in a cycle; to look through them takes a quarter of the time.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextmanager
def short_turns() -> Iterator[None]:
    """Let threads take turns every 0.2 ms where it is 5 ms otherwise, until the last import that asked for it ends.

    The thread that writes needs the interpreter for some microseconds each time that the database has taken what
    was sent, and would wait for a whole turn of the one that reads the next rows.
    """
    global _imports, _before_s  # noqa: PLW0603 - of the process, as the interval is
    with _lock:
        if not _imports:
            _before_s = sys.getswitchinterval()
            if _before_s > _TURN_S:
                sys.setswitchinterval(_TURN_S)
        _imports += 1
    try:
        yield
    finally:
        with _lock:
            _imports -= 1
            if not _imports and _before_s > _TURN_S:
                sys.setswitchinterval(_before_s)
