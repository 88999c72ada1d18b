"""The page about campaign files is true: its file loads, and no key is missing from it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from apps.nested.compute.settings import METHODS
from apps.nested.plan.campaign_file import (
    DEFAULT_DLOGZ,
    DEFAULT_ERROR,
    DEFAULT_ESS,
    DEFAULT_SHARE,
    SAMPLER_KEYS,
    STEPS_PER_PARAMETER,
    STEPS_WITH_PROPOSAL,
)
from apps.ttv.compute.noise import KINDS
from apps.ttv.compute.sampler_settings import MOVES
from apps.ttv.compute.search.modes import DELTA
from apps.ttv.compute.search.starts import N_START
from apps.ttv.plan.campaign_file import DEFAULT_MOVES, MODEL_KEYS
from apps.ttv.plan.noise import NOISE_KEYS
from apps.ttv.plan.priors import KEYS_OF_PRIOR, PARAMETERS
from boinc_project.campaign import Quorum, StopRule
from work_generator.campaign_file import load_campaign

ROOT = Path(__file__).parents[5]
PAGE = (ROOT / "docs" / "scientist" / "campaign-files.md").read_text(encoding="utf-8")


def test_the_files_in_the_page_can_be_loaded(tmp_path: Path) -> None:
    blocks = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 1
    (tmp_path / "data").mkdir()
    table = ROOT / "examples" / "data" / "kepler-9.csv"
    (tmp_path / "data" / "kepler-9.csv").write_bytes(table.read_bytes())
    path = tmp_path / "kepler-9.toml"
    path.write_text(blocks[0], encoding="utf-8")
    campaign = load_campaign(path)
    # The file states the defaults where it says that a section is optional.
    assert campaign.quorum == Quorum()
    assert campaign.stop == StopRule()


@pytest.mark.parametrize(
    "word",
    [
        *PARAMETERS,
        *KEYS_OF_PRIOR,
        *MOVES,
        *sorted(set(Quorum.__slots__) - {"full_quorum"}),  # of a workunit only
        *sorted(set(StopRule.__slots__) - {"all_units"}),  # an app's, not a file's
        *NOISE_KEYS,
        *MODEL_KEYS,
        *KINDS,
    ],
)
def test_every_key_and_choice_is_in_the_page(word: str) -> None:
    assert re.search(rf"\b{word}\b", PAGE)


def test_the_examples_are_all_named() -> None:
    for path in (ROOT / "examples").glob("*.toml"):
        assert path.name in PAGE


def test_the_defaults() -> None:
    assert f"{N_START} if it is not given" in PAGE
    assert f"within {DELTA:g} of the best" in PAGE.replace("\n", " ")
    moves = ", ".join(f"{move} = {weight}" for move, weight in DEFAULT_MOVES.items())
    assert f"`{{ {moves} }}`" in PAGE


def test_the_page_about_nested_sampling_has_every_key() -> None:
    section = PAGE[PAGE.index("## Nested sampling") : PAGE.index("## On this machine")]
    for word in (*SAMPLER_KEYS, *METHODS, "logz_error", "ess"):
        assert re.search(rf"\b{word}\b", section), word
    assert f"dlogz = {DEFAULT_DLOGZ:g}" in section
    assert f"proposal_share = {DEFAULT_SHARE:g}" in section
    assert f"{STEPS_WITH_PROPOSAL} for each parameter and {STEPS_WITH_PROPOSAL} more" in section
    assert f"`walks` is then {STEPS_PER_PARAMETER} for each parameter" in section
    assert f"logz_error = {DEFAULT_ERROR:g}" in section
    assert f"ess = {DEFAULT_ESS:g}" in section
