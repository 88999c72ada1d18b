"""Network work in a thread of its own, so that a slow server never keeps an app waiting."""

from __future__ import annotations

import threading
from collections.abc import Callable

from boinc_project.errors import OpenAstroError, TransientError


class Errand:
    """One piece of network work in a thread of its own, and what to do with its outcome."""

    def __init__(self, work: Callable[[], object], done: Callable[[object], None]) -> None:
        self._work = work
        self._done = done
        self._outcome: object = None
        # A daemon: a server that does not answer must not keep the client from ending.
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._outcome = self._work()
        except OpenAstroError as error:
            self._outcome = error
        except OSError as error:
            self._outcome = TransientError(f"The disk or the network fails: {error}.")

    def finished(self) -> bool:
        """Tell whether it is over; if so, its outcome has been dealt with."""
        if self._thread.is_alive():
            return False
        self._done(self._outcome)
        return True
