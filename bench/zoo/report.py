"""The zoo's results: a table by kind, and the numbers of the last line."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from bench.tables import show
from bench.zoo import ranks
from bench.zoo.compare import Offset
from bench.zoo.kinds import KINDS
from bench.zoo.ranks import Check, Ranked
from bench.zoo.runs import Outcome

WORDS = ("sampled", "not sampled", "refused", "unfinished")


@dataclass(frozen=True, slots=True)
class Seen:
    """One system: its campaign, and the reference if it has one.

    Attributes
    ----------
    outcome : Outcome
        Of the campaign.
    offsets : tuple[Offset, ...]
        Beside the reference; empty if there is none.
    reference : str
        State of the reference: "settled", "not settled" or "not asked for".
    """

    outcome: Outcome
    offsets: tuple[Offset, ...]
    reference: str

    @property
    def name(self) -> str:
        """Kind and seed."""
        return f"{self.outcome.kind} {self.outcome.seed}"

    @property
    def broken(self) -> tuple[Offset, ...]:
        """Numbers that break the promise of a product that says sampled."""
        if not self.outcome.sampled:
            return ()
        return tuple(offset for offset in self.offsets if offset.broken)


def calibration(systems: Sequence[Seen], *, sampled_only: bool) -> list[Check]:
    """Return the tests of uniform ranks; kinds whose data violate the noise model are left out."""
    chosen = [
        Ranked(seen.outcome.kind, seen.outcome.ranks)
        for seen in systems
        if seen.outcome.ranks
        and not KINDS[seen.outcome.kind].violated
        and (seen.outcome.sampled or not sampled_only)
    ]
    return ranks.checks(chosen)


def summary(systems: Sequence[Seen]) -> dict[str, Any]:
    """Return the numbers of the last line."""
    ours, every = (calibration(systems, sampled_only=only) for only in (True, False))
    by_kind = {kind: [s for s in systems if s.outcome.kind == kind] for kind in KINDS}
    by_kind = {kind: members for kind, members in by_kind.items() if members}
    worst = _worst([offset for s in systems if s.outcome.sampled for offset in s.offsets])
    return {
        "false_sampled": [f"{s.name}: {len(s.broken)}, {s.broken[0]}" for s in systems if s.broken],
        "false_sampled_beyond_own_error": [
            s.name for s in systems if any(offset.beyond_own_error for offset in s.broken)
        ],
        "false_described": [
            s.name for s in systems if KINDS[s.outcome.kind].violated and s.outcome.described
        ],
        "undescribed": [
            s.name
            for s in systems
            if not KINDS[s.outcome.kind].violated and s.outcome.described is False
        ],
        "kinds": len(by_kind),
        "kinds_sampled": sum(all(s.outcome.sampled for s in m) for m in by_kind.values()),
        "systems": len(systems),
        "words": Counter(s.outcome.word for s in systems),
        "sbc_p_min": _rounded(ranks.smallest(ours)),
        "sbc_tests": len(ours),
        "sbc_p_min_all": _rounded(ranks.smallest(every)),
        "sbc_tests_all": len(every),
        "worst_width_ratio": None if worst is None else round(worst.value, 3),
        "worst_width": None if worst is None else str(worst),
        "references": sum(s.reference == "settled" for s in systems),
        "no_reference": [s.name for s in systems if s.reference == "not settled"],
        "cpu_hours": round(sum(s.outcome.cpu for s in systems) / 3600.0, 3),
    }


def print_report(systems: Sequence[Seen], *, markdown: bool = False) -> None:
    """Print the table by kind, the worst tests of calibration, and every broken promise."""
    columns = ["kind", "systems", *WORDS, "described", "CPU s", "wall s", "calls"]
    columns += ["SBC p", "tests", "worst width", "worst tail", "log Z off by"]
    checked = calibration(systems, sampled_only=True)
    rows = [_row(kind, systems, checked) for kind in KINDS]
    show("The zoo", columns, [row for row in rows if row], markdown=markdown, width=190)
    lowest = sorted(checked, key=lambda check: check.p)[:5]
    for check in lowest:
        form = "folded ranks" if check.tail else "ranks"
        print(
            f"{check.of}: {form} of {check.quantity}, {check.n_system} systems: p = {check.p:.4f}"
        )
    for seen in systems:
        if seen.broken:
            print(f"FALSE sampled: {', '.join(map(str, seen.broken))}")
        if seen.outcome.word == "refused":
            print(f"Refused: {seen.name}: {seen.outcome.said}")
        if seen.outcome.word == "not sampled":
            print(f"Not sampled: {seen.name}: {' '.join(seen.outcome.reasons)}")


def _row(kind: str, systems: Sequence[Seen], checked: Sequence[Check]) -> list[str]:
    members = [seen for seen in systems if seen.outcome.kind == kind]
    if not members:
        return []
    outcomes = [seen.outcome for seen in members]
    words = Counter(outcome.word for outcome in outcomes)
    told = [outcome.described for outcome in outcomes if outcome.described is not None]
    of_kind = [check for check in checked if check.of == kind]
    p = ranks.smallest(of_kind)
    offsets = [offset for seen in members for offset in seen.offsets]
    width, tail, evidence = (_worst(offsets, what) for what in ("width", "tail", "difference"))
    return [
        kind,
        str(len(members)),
        *(str(words[word]) for word in WORDS),
        f"{sum(told)} of {len(told)}" if told else "-",
        f"{median(outcome.cpu for outcome in outcomes):.0f}",
        f"{median(outcome.wall for outcome in outcomes):.0f}",
        f"{median(outcome.n_call for outcome in outcomes):,.0f}",
        "-" if p is None else f"{p:.3f}",
        str(len(of_kind)),
        *("-" if offset is None else f"{offset.value:.2f}" for offset in (width, tail)),
        "-" if evidence is None else f"{evidence.value:.2f}",
    ]


def _worst(offsets: Sequence[Offset], what: str = "width") -> Offset | None:
    chosen = [offset for offset in offsets if offset.what.startswith(what)]
    if what == "width":
        return max(chosen, key=_logarithm, default=None)
    return max(chosen, key=lambda offset: offset.size, default=None)


def _logarithm(offset: Offset) -> float:
    return abs(math.log(offset.value)) if offset.value > 0.0 else math.inf


def _rounded(p: float | None) -> float | None:
    return None if p is None else round(p, 5)
