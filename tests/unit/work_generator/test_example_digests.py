"""Units of the examples keep their digests: outputs and kept preparations go by them."""

from __future__ import annotations

from pathlib import Path

import pytest

from boinc_project import application
from work_generator.campaign_file import load_campaign

EXAMPLES = Path(__file__).parents[3] / "examples"
DIGESTS: dict[str, tuple[str, str]] = {
    "kepler-307-eccentric": (
        "5905d2668fa02c8f81f89509f6c989b3b9db7834fb060e1a3e4495436f36b552",
        "e3f4c223bab6b4adcadb29f8378a53d67f7643fb3cc4da4300dce6deaa5ac14a",
    ),
    "kepler-307-nested": (
        "045d970bb0067679ac6bb2da543cae97e18acc13e7aa55b485bb59868a35553a",
        "b1e7ff3281832eda5a7157c83a7ac54aecbe87ed34163e16ebe4ef56370a4ee8",
    ),
    "kepler-307": (
        "e64f0d3b37766a1e3a56bdd0d9ea4e10b32efef3fe34feb2769e53a8bf2fc538",
        "1d46535812c601af11a6ceeab1e414613760036d8096518ba27bf1252119490d",
    ),
    "kepler-51": (
        "37ba6029993d3a60875ae1d974369020b6fc79d65ea88dd58795902b46cb7edd",
        "7cfefe27353aaa3ad467a60ff09f8fcf063801d03a6cc6187c6011be58e809ea",
    ),
    "kepler-9": (
        "b2409f37e54fd8e1c93cb8419591d64adb7693fe1a58ca3b78198ddde2431ae2",
        "0a53eb1b80b2d2406e127ce7ca070926072abb4b5c19a2cd3e64a0a7811c8bd1",
    ),
    "kepler-9b-alone": (
        "acee4fc74b10ad92c064f385c3d0e2d0253432b3dc3c22714a79edaa03a378e7",
        "2addb0375cb8b5345cce5865ac7d306d14f6ddd734515f1a1ac40aaa185401a7",
    ),
}
"""Preparation and second opinion of each timing campaign. A new version of an app changes them, and
nothing else may."""


@pytest.mark.parametrize("name", sorted(DIGESTS))
def test_units_keep_their_digests(name: str) -> None:
    campaign = load_campaign(EXAMPLES / f"{name}.toml")
    units = application.get(campaign.app).preparing(campaign)
    assert tuple(unit.digest for unit in units) == DIGESTS[name]
