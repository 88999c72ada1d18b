"""How the small client behaves."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from apps.volunteer.backoff import Backoff


@dataclass(frozen=True, slots=True)
class Options:
    """How the client behaves.

    Attributes
    ----------
    directory : Path
        Where everything is kept.
    ncpus : int
        Tasks that run at once.
    spare : int
        Tasks kept ready beyond these.
    host_name : str
        Name shown on the owner's pages; empty: the computer's own.
    exit_when_idle : bool
        Whether to end when nothing is left to do and the project has nothing more.
    checkpoint_period : float
        Seconds between two checkpoints of an app.
    niceness : int
        How far apps step back behind everything else.
    rpc_backoff, transfer_backoff : Backoff
        How to wait after failures.
    """

    directory: Path
    ncpus: int = 1
    spare: int = 1
    host_name: str = ""
    exit_when_idle: bool = False
    checkpoint_period: float = 60.0
    niceness: int = 19
    rpc_backoff: Backoff = field(default_factory=Backoff)
    transfer_backoff: Backoff = field(default_factory=lambda: Backoff(120.0, 6 * 3600.0))
