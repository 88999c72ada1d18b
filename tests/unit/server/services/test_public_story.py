"""Letters instead of computers' numbers."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from server.services.public_story import hide_computers
from server.services.story import Story, StoryLine


def line(sentence: str, host: int | None = None) -> StoryLine:
    return StoryLine(1.0, "sent", "scheduler", sentence, host=host)


def told(*sentences: str) -> list[str]:
    story = Story("w", "c", "OPEN", tuple(line(sentence) for sentence in sentences))
    return [one.sentence for one in hide_computers(story).lines]


def test_letters_come_in_the_order_of_appearance_and_stay() -> None:
    assert told(
        "Task w_0 went to computer 12.",
        "Task w_1 went to computer 7.",
        "Computer 12 finished task w_0 in 3 s.",
        "Host 7 is slow.",
    ) == [
        "Task w_0 went to computer A.",
        "Task w_1 went to computer B.",
        "Computer A finished task w_0 in 3 s.",
        "Host B is slow.",
    ]


def test_other_numbers_stay() -> None:
    sentence = "Task kepler-9_g0_u012_3 was created; 2 of 8, due by 2026-01-01 10:00:00 UTC."
    assert told(sentence) == [sentence]


@given(st.lists(st.integers(min_value=0, max_value=10**9), max_size=60))
def test_different_computers_have_different_letters(numbers: list[int]) -> None:
    sentences = told(*[f"Sent to computer {number}." for number in numbers])
    letters = [sentence.removeprefix("Sent to computer ") for sentence in sentences]
    assert len(set(zip(numbers, letters, strict=True))) == len(set(numbers)) == len(set(letters))
    assert all(re.fullmatch(r"[A-Z]\d?\.", letter) for letter in letters)
