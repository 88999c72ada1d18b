"""Tell the faults of hosts, platforms, app versions and campaigns apart.

Results fail for four kinds of reasons, and each kind wants another answer: a bad host gets no work,
a bad app version is withdrawn, a bad campaign is stopped. Blaming the wrong one punishes volunteers
for our mistakes, or stops a campaign for one broken computer. So failure rates are compared across
all four at once.

Groups (campaigns, app versions, platforms)
    The unit of evidence is a *host*, not a result: a host counts as failing in a group if more than
    half of its results there failed. So one broken computer, however many results it ruins, is one
    piece of evidence. A group is compared with all that hosts did outside of it by Fisher's exact
    test, one-sided.
Hosts
    Their results, without those of groups already found guilty, are compared with those of all
    other hosts, again by Fisher's exact test on results.

The most significant group is blamed first and its results are taken out; then the rest is tested
anew, so that a platform is not blamed for the app version that is broken on it. Groups that consist
of the same results cannot be told apart: they are blamed together.

All tests of one look share a false-alarm rate `ALPHA` by Bonferroni's inequality; failures of
honest hosts are taken for independent of each other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

ALPHA = 1e-3
"""Probability that a look blames anybody although all fail alike. With a look a day that is one
false alarm in three years."""

LEAST_RATE = 0.1
"""Nobody is blamed for a failure rate below this, however significant: a tenth of failures is what
an ordinary fleet has (overheating, full disks, impatience), and costs little."""


class Factor(StrEnum):
    """What may be at fault."""

    CAMPAIGN = "campaign"
    """Its units cannot be computed."""
    APP_VERSION = "app version"
    """The program is broken."""
    PLATFORM = "platform"
    """The programs are broken on one platform."""
    HOST = "host"
    """The computer is."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Results of one host, of one campaign, with one app version.

    Attributes
    ----------
    host, campaign, app_version : int
        Numbers of rows.
    platform : str
        The app version's.
    ended, failed : int
        Results that ended with a success or a failure, and the failures among them. A deadline that
        passed is neither: it tells of a host's habits.
    """

    host: int
    campaign: int
    app_version: int
    platform: str
    ended: int
    failed: int


@dataclass(frozen=True, slots=True)
class Blame:
    """One finding.

    Attributes
    ----------
    factor : Factor
        What kind.
    name : int | str
        Which one.
    p_value : float
        Probability of such a difference, or a greater one, if nothing is wrong with it.
    failed, ended : int
        Hosts failing and hosts in it; of a host, results.
    also : tuple[tuple[Factor, int | str], ...]
        Groups that consist of the very same results, and cannot be told apart from it.
    """

    factor: Factor
    name: int | str
    p_value: float
    failed: int
    ended: int
    also: tuple[tuple[Factor, int | str], ...] = ()


_Group = tuple[Factor, int | str]


def blame(cells: Iterable[Cell], *, alpha: float = ALPHA) -> tuple[Blame, ...]:
    """Return who is at fault, groups before hosts, the most significant first.

    Parameters
    ----------
    cells : Iterable[Cell]
        All results of some window of time.
    alpha : float
        False-alarm rate of the whole look.
    """
    left = [cell for cell in cells if cell.ended > 0]
    groups = {group for cell in left for group in _groups(cell)}
    hosts = {cell.host for cell in left}
    each = alpha / max(1, len(groups) + len(hosts))
    found: list[Blame] = []
    while (worst := _worst_group(left, each)) is not None:
        found.append(worst)
        guilty = {(worst.factor, worst.name), *worst.also}
        left = [cell for cell in left if not guilty & set(_groups(cell))]
    return (*found, *_bad_hosts(left, each))


def _groups(cell: Cell) -> tuple[_Group, ...]:
    return (
        (Factor.CAMPAIGN, cell.campaign),
        (Factor.APP_VERSION, cell.app_version),
        (Factor.PLATFORM, cell.platform),
    )


def _worst_group(cells: Sequence[Cell], each: float) -> Blame | None:
    """Return the group whose hosts fail most significantly more than outside, if any does."""
    members: dict[_Group, frozenset[int]] = {}
    for group in {group for cell in cells for group in _groups(cell)}:
        members[group] = frozenset(i for i, cell in enumerate(cells) if group in _groups(cell))
    found: list[tuple[float, int, Blame]] = []
    for group, inside in members.items():
        failing, hosts = _failing_hosts([cells[i] for i in inside])
        other_failing, other_hosts = _failing_hosts(
            [cell for i, cell in enumerate(cells) if i not in inside]
        )
        if not other_hosts or failing < LEAST_RATE * hosts:
            continue
        p = fisher(failing, hosts, other_failing, other_hosts)
        if p < each:
            also = tuple(sorted(g for g, same in members.items() if g != group and same == inside))
            order = list(Factor).index(group[0])
            found.append((p, order, Blame(*group, p, failing, hosts, also)))
    return min(found, key=lambda one: one[:2])[2] if found else None


def _failing_hosts(cells: Iterable[Cell]) -> tuple[int, int]:
    """Return how many hosts fail in most of their results here, and how many there are."""
    counts = _sum(cells, lambda cell: cell.host)
    return sum(2 * failed > ended for ended, failed in counts.values()), len(counts)


def _bad_hosts(cells: Sequence[Cell], each: float) -> list[Blame]:
    """Return the hosts that fail more than the others, the worst first, each taken out in turn."""
    counts = _sum(cells, lambda cell: cell.host)
    found: list[Blame] = []
    while counts:
        ended = sum(one for one, _ in counts.values())
        failed = sum(one for _, one in counts.values())
        tested = [
            (fisher(bad, n, failed - bad, ended - n), host)
            for host, (n, bad) in counts.items()
            if ended > n and bad >= LEAST_RATE * n
        ]
        p, host = min(tested, default=(1.0, 0))
        if p >= each:
            break
        n, bad = counts.pop(host)
        found.append(Blame(Factor.HOST, host, p, bad, n))
    return found


def _sum(cells: Iterable[Cell], key: Callable[[Cell], int]) -> dict[int, tuple[int, int]]:
    counts: dict[int, tuple[int, int]] = {}
    for cell in cells:
        ended, failed = counts.get(key(cell), (0, 0))
        counts[key(cell)] = (ended + cell.ended, failed + cell.failed)
    return counts


def fisher(failed: int, ended: int, other_failed: int, other_ended: int) -> float:
    """Return the p-value of Fisher's exact test that the first failure rate is not the higher one.

    The probability of at least `failed` of all failures among the `ended`, if they fall on anyone.
    """
    population, failures = ended + other_ended, failed + other_failed
    total = _log_choose(population, failures)
    terms = [
        _log_choose(ended, k) + _log_choose(other_ended, failures - k) - total
        for k in range(failed, min(ended, failures) + 1)
        if failures - k <= other_ended
    ]
    return min(1.0, math.fsum(math.exp(term) for term in terms))


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


ALLOWED_RATE = 0.2
"""Part of the hosts that may fail in a campaign before it stops itself: twice what an ordinary
fleet loses, and at three failures in ten a unit that allows four errors still ends well."""

STOP_ALPHA = 1e-3
"""Probability that a campaign with exactly the allowed rate stops itself in all of its life."""


def must_stop(cells: Iterable[Cell], innocent: Mapping[Factor, frozenset[int | str]]) -> float:
    """Return the p-value with which a campaign must stop, or 1 if it may go on.

    The hosts that fail in it are counted as in `blame`, and tested by the binomial law against
    `ALLOWED_RATE`. It is asked again with every host that comes, so of `STOP_ALPHA` the n-th host
    may spend ``1 / (n (n + 1))``; these add up to 1. Hence seven hosts that all fail stop a
    campaign, and no less.

    Parameters
    ----------
    cells : Iterable[Cell]
        The campaign's results.
    innocent : Mapping[Factor, frozenset[int | str]]
        App versions, platforms and hosts that are to blame themselves: what they did is left out.
    """
    kept = [
        cell
        for cell in cells
        if cell.app_version not in innocent.get(Factor.APP_VERSION, frozenset())
        and cell.platform not in innocent.get(Factor.PLATFORM, frozenset())
        and cell.host not in innocent.get(Factor.HOST, frozenset())
    ]
    failing, hosts = _failing_hosts(cell for cell in kept if cell.ended > 0)
    if hosts == 0:
        return 1.0
    p = binomial_tail(failing, hosts, ALLOWED_RATE)
    return p if p < STOP_ALPHA / (hosts * (hosts + 1)) else 1.0


def binomial_tail(k: int, n: int, rate: float) -> float:
    """Return the probability of at least `k` of `n` at a rate between 0 and 1."""
    if k <= 0:
        return 1.0
    terms = (
        _log_choose(n, i) + i * math.log(rate) + (n - i) * math.log1p(-rate)
        for i in range(k, n + 1)
    )
    return min(1.0, math.fsum(math.exp(term) for term in terms))
