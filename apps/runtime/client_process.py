"""Whether the client that started this app still lives."""

from __future__ import annotations

import os


class ClientProcess:
    """The client's process.

    A process number can be used again after a death. If the client is our parent, as it is under
    the stock client, losing it as a parent says the same without that doubt.

    Parameters
    ----------
    pid : int
        ``client_pid`` of ``init_data.xml``; 0 if not known.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._is_parent = pid == os.getppid()

    def alive(self) -> bool | None:
        """Tell whether it lives; None if it is not known."""
        if not self._pid:
            return None
        if self._is_parent:
            return os.getppid() == self._pid
        return process_lives(self._pid)


def process_lives(pid: int) -> bool:
    """Tell whether a process of this number exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
