"""All questions of the contract kit, in their order."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from boinc_project.errors import OpenAstroError
from server.contract_kit.checkpointing import checkpoints
from server.contract_kit.finding import Finding
from server.contract_kit.frozen_part import frozen_part
from server.contract_kit.inputs import digests
from server.contract_kit.judging import refuses
from server.contract_kit.killing import killed
from server.contract_kit.merging import merges
from server.contract_kit.obeying import quits, suspends
from server.contract_kit.planning import plans
from server.contract_kit.running import long_enough, repeated, undisturbed
from server.contract_kit.subject import Subject


def findings(subject: Subject, *, seed: int, rounds: int) -> Iterator[Finding]:
    """Yield the findings about an application, each when it is had.

    Without a whole output there are no further questions.

    Parameters
    ----------
    subject : Subject
        The application.
    seed : int
        Of moments, damages and orders.
    rounds : int
        Units to kill.
    """
    yield _answered("Planned again, the same units", lambda: plans(subject))
    yield _answered("Volunteers get what computes", lambda: frozen_part(subject))
    try:
        wholes = {unit.name: undisturbed(subject, unit) for unit in subject.units}
    except OpenAstroError as error:
        yield Finding("Units are computed", False, error.message)
        return
    whole = wholes[subject.longest.name]
    yield long_enough(whole)
    rng = random.Random(seed)
    questions: list[tuple[str, Callable[[], Finding]]] = [
        ("Twice the same bytes", lambda: repeated(subject, whole)),
        ("Killed and resumed, the same bytes", lambda: killed(subject, whole, rng, rounds)),
        ("Checkpoints", lambda: checkpoints(subject, whole)),
        ("Quit", lambda: quits(subject, whole, rng)),
        ("Suspend", lambda: suspends(subject, whole, rng)),
        ("Digests of inputs", lambda: digests(subject)),
        ("Forged outputs", lambda: refuses(subject, wholes, rng)),
        ("Merging", lambda: merges(subject, wholes, rng)),
    ]
    for name, question in questions:
        yield _answered(name, question)


def _answered(name: str, question: Callable[[], Finding]) -> Finding:
    """Return the answer; whatever goes wrong on the way is one, too."""
    try:
        return question()
    except OpenAstroError as error:
        return Finding(name, False, error.message)
    except Exception as error:  # noqa: BLE001  an application may raise anything
        words = " ".join(str(error).split())[:300]
        return Finding(name, False, f"{type(error).__name__}: {words}")
