"""Bytes against seconds."""

from __future__ import annotations

import pytest

from work_generator.transfer import HOME_DOWN, HOME_UP, SERVER_LINE, Load, compare

FRAME = Load(seconds=0.5, bytes_down=16_000_000, bytes_up=8_000_000)


def test_a_frame_is_computed_faster_than_it_is_sent() -> None:
    told = compare(FRAME, n_unit=1000, copies=2)
    assert told.here_seconds == 500.0
    assert told.line_seconds == pytest.approx(2 * 1000 * 16e6 / SERVER_LINE)
    assert told.home_seconds == pytest.approx(16e6 / HOME_DOWN + 8e6 / HOME_UP)
    assert told.local
    assert "Computing it here is the better choice: `openastro campaign run-local`" in told.text
    assert "32 GB" in told.text
    assert "16 GB" in told.text


def test_work_that_takes_an_hour_for_a_frame_is_worth_its_bytes() -> None:
    told = compare(Load(3600.0, 16_000_000, 8_000_000), n_unit=1000, copies=2)
    assert not told.local
    assert told.text.endswith("Volunteers are worth their bytes.")


def test_the_server_alone_decides_if_homes_are_fast_enough() -> None:
    few = Load(seconds=10.0, bytes_down=1_000_000, bytes_up=1_000)
    assert not compare(few, n_unit=100, copies=2).local
    assert compare(few, n_unit=100, copies=100_000).local
