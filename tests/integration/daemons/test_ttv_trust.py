"""A transit-timing campaign that believes proven hosts: the real check and audit decide."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from boinc_project import application
from boinc_project.lifecycle.effects import EventKind
from boinc_project.states import ValidateState
from server.models import Host
from tests.adversarial import campaign
from tests.adversarial.kinds import Honest, half_invented, honest, invented, unchanged
from tests.integration.daemons.conftest import Shop
from tests.integration.daemons.trust_shop import ALWAYS, NEVER, Trusting

N_STEP = 480
FPOPS = 1e12


class TtvTrusting(Trusting):
    """The campaign of the adversary suite, with short chains."""

    def __init__(self, shop: Shop, directory: Path) -> None:
        super().__init__(shop, lambda app: application.get(app).judging())
        self.directory = directory

    def unit(self, *, alone: bool = True) -> int:
        one = honest(len(self.units), N_STEP)
        return self.add(one.unit, {"transits.csv": campaign.table()}, alone=alone, fpops=FPOPS)

    def send(
        self, workunit: int, host: Host, forge: Callable[[Honest, Path], Path] = unchanged
    ) -> None:
        """Let a host upload an output, true or false, and the validator see it."""
        one = honest(self.units[workunit].index, N_STEP)
        data = forge(one, self.directory / "output.h5").read_bytes()
        self.deliver(workunit, host, data)
        self.validate()


@pytest.fixture
def trusting(shop: Shop, tmp_path: Path) -> TtvTrusting:
    return TtvTrusting(shop, tmp_path)


@pytest.mark.parametrize("forge", [invented, half_invented])
def test_a_proven_host_alone_is_audited_and_loses_its_trust_by_one_forgery(
    trusting: TtvTrusting, forge: Callable[[Honest, Path], Path]
) -> None:
    host, other = trusting.host(streak=50, n_audited=200), trusting.host(streak=50, n_audited=200)
    trusting.bits.lottery = NEVER
    before = trusting.unit()
    trusting.send(before, host)
    assert trusting.shop.state(before).canonical == 0

    trusting.bits.lottery = ALWAYS
    audited = trusting.unit()
    trusting.send(audited, host)
    assert trusting.shop.state(audited).canonical == 0
    data = trusting.evidence(audited).data
    assert data is not None
    (audit,) = data["audits"].values()
    assert audit["verdict"] == "valid"
    assert audit["statistics"]["segments"] >= 1
    assert trusting.record(host).n_audited == 201
    assert trusting.credit(host)[0] > 0

    # Half of a forgery is true: the audit's seed is one that looks at the other half.
    trusting.bits.lottery = ALWAYS
    false = trusting.unit()
    trusting.send(false, host, forge)
    state = trusting.shop.state(false)
    assert state.canonical is None
    assert state.result(0).validate_state is ValidateState.INVALID
    assert "audit failed" in trusting.shop.result(false, 0).validate_reason
    assert EventKind.AUDIT_FAILED in trusting.kinds(false)

    record = trusting.record(host)
    assert (record.consecutive_valid, record.n_audit_failed) == (0, 1)
    assert record.notice, "the next reply tells the owner"
    assert trusting.credit(host)[0] == 0.0
    for lone in (before, audited):
        assert EventKind.REOPENED in trusting.kinds(lone)
        assert trusting.shop.state(lone).canonical is None
        assert trusting.shop.state(lone).limits.min_quorum == 2

    # Another host computes them again, and what was true is true.
    trusting.bits.lottery = NEVER
    trusting.send(before, other)
    assert trusting.shop.state(before).canonical == 0
    assert trusting.credit(host)[0] > 0

    # The host is not believed alone any more.
    last = trusting.unit()
    trusting.send(last, host)
    assert trusting.shop.state(last).canonical is None
    assert trusting.shop.state(last).limits.min_quorum == 2
