"""How long to wait after a failure: longer each time, and not all clients at once."""

from __future__ import annotations

import random
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Backoff:
    """BOINC's law: ``base * 2^(n-1)``, at most `limit`, times a random 0.5 to 1.

    Attributes
    ----------
    base, limit : float
        Seconds. BOINC has 60 s and 4 h for scheduler requests (``client/cs_scheduler.cpp``), 120 s
        and 6 h for transfers (``client/pers_file_xfer.cpp``).
    jitter : random.Random
        Where the randomness comes from.
    """

    base: float = 60.0
    limit: float = 4 * 3600.0
    jitter: random.Random = field(default_factory=random.Random)

    def delay(self, failures: int) -> float:
        """Return the seconds to wait after this many failures in a row, at least one."""
        exponent = min(max(failures, 1) - 1, 32)
        return min(self.base * 2.0**exponent, self.limit) * self.jitter.uniform(0.5, 1.0)
