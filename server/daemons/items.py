"""Items of a pass, one at a time: what fails is put off, and the others go on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import structlog

from boinc_project.errors import OpenAstroError, TransientError

PUT_OFF_SECONDS = 600.0
"""Until an item that failed is tried again: long enough not to fill the log, short enough to need
no admin's hand once the cause is mended."""


class PassFailed(OpenAstroError):
    """Some items of a pass failed; the others are done."""


def run_each(
    name: str,
    items: Iterable[int],
    work: Callable[[int], bool],
    put_off: Callable[[int, float], None],
) -> int:
    """Do `work` for each item, in the order given.

    An item that raises is logged and put off: without that it would be found first by every pass
    to come, and a batch of such items would stop the daemon. `TransientError` (another process is
    at it) is no failure: the item stays due.

    Parameters
    ----------
    name : str
        The daemon's name, for the log.
    items : Iterable[int]
        Ids of rows.
    work : Callable[[int], bool]
        Does one item in a transaction of its own; returns whether anything was done.
    put_off : Callable[[int, float], None]
        Makes the item due again only in so many seconds. If that fails, too, the item stays due.

    Returns
    -------
    int
        For how many items something was done.

    Raises
    ------
    PassFailed
        After all items, if any failed; the loop counts it and rests.
    """
    log = structlog.get_logger(name)
    done = 0
    failed: dict[int, Exception] = {}
    for item in items:
        try:
            done += work(item)
        except TransientError as error:
            log.debug("busy", daemon=name, item=item, reason=error.message)
        except Exception as error:
            log.exception("item failed", daemon=name, item=item, again_in=PUT_OFF_SECONDS)
            failed[item] = error
            _try_to_put_off(log, name, item, put_off)
    if failed:
        first, cause = next(iter(failed.items()))
        raise PassFailed(
            f"{len(failed)} of the {name}'s items failed and are put off ({done} were done); the "
            f"first is {first}: {type(cause).__name__}: {cause}",
            failed=failed,
            done=done,
        )
    return done


def _try_to_put_off(log: Any, name: str, item: int, put_off: Callable[[int, float], None]) -> None:
    """Put an item off; one that cannot be does not keep the others from being done."""
    try:
        put_off(item, PUT_OFF_SECONDS)
    except TransientError as error:
        log.debug("busy", daemon=name, item=item, reason=error.message)
    except Exception:
        log.exception("item cannot be put off", daemon=name, item=item)
