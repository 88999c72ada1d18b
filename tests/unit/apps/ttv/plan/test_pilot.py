"""Whether populations and importance draws know the same posterior."""

from __future__ import annotations

import pytest

from apps.ttv.plan.pilot import is_settled


@pytest.mark.parametrize(
    ("island", "share", "settled"),
    [
        (-50.0, 0.01, True),
        (-52.9, 0.01, True),
        (-53.1, 0.01, False),
        (-53.1, 0.5, True),  # lost on its way, and not needed
        (-46.9, 0.5, False),  # it has seen more than the draws
    ],
)
def test_populations_may_have_lost_a_part_only_if_draws_fit_well(
    island: float, share: float, settled: bool
) -> None:
    assert is_settled([island], -50.0, share) is settled
