"""A worker whose server was killed ends too: nobody would ever stop or replace it, and it would keep the port."""

from __future__ import annotations

import os
import signal
import threading

LOOK_S = 1.0
GRACE_S = 10.0


class Parent:
    """Watches the process that started this one."""

    def __init__(self) -> None:
        self._parent = os.getppid()
        self._over = threading.Event()

    def watch(self) -> None:
        """Begin to look, in the background."""
        threading.Thread(target=self._loop, name="parent", daemon=True).start()

    def close(self) -> None:
        """Stop looking."""
        self._over.set()

    def _loop(self) -> None:
        while not self._over.wait(LOOK_S):
            if os.getppid() != self._parent:
                os.kill(os.getpid(), signal.SIGTERM)
                self._over.wait(GRACE_S)
                os.kill(os.getpid(), signal.SIGKILL)
