"""Two computers send unlike images: the validator finds out which is wrong, and asks nobody."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from apps.images.compute.built import load_kernel
from boinc_project import application
from boinc_project.lifecycle.effects import EventKind
from boinc_project.lifecycle.workunit import Assimilated
from boinc_project.states import CampaignState, ServerState, ValidateState
from boinc_project.unit import UNIT_FILE
from server.models import CampaignRow, Event, Host, Workunit
from tests.adversarial.images import TILE, cheaper_kernel, wrong_tile
from tests.integration.daemons.conftest import Shop
from tests.integration.daemons.trust_shop import Trusting
from tests.unit.apps.images.validate.reprojection_case import Case

pytestmark = pytest.mark.skipif(load_kernel() is None, reason="the kernel was not built")

FPOPS = 1e12


class Images(Trusting):
    """A campaign of one unit of two small frames, judged by the real validator."""

    def __init__(self, shop: Shop, directory: Path) -> None:
        super().__init__(shop, lambda app: application.get(app).judging())
        self.case = Case(directory)
        self.honest = self.case.output.read_bytes()

    def unit(self, copies: int = 2) -> int:
        inputs = {
            name: path.read_bytes() for name, path in self.case.inputs.items() if name != UNIT_FILE
        }
        number = self.add(self.case.unit, inputs, alone=False, fpops=FPOPS)
        with self.project.database.write() as session:
            row = session.get_one(Workunit, number)
            row.target_nresults, row.transition_time = copies, self.shop.clock.now
        self.shop.settle()
        return number

    def send(self, workunit: int, data: bytes) -> Host:
        host = self.host(streak=3, n_audited=200)
        self.deliver(workunit, host, data)
        return host

    def late(self, workunit: int) -> Host:
        """Let a third computer begin, two others agree on a wrong image, and the third report."""
        self.colluders = [self.host(streak=3, n_audited=200) for _ in range(2)]
        honest = self.shop.send(workunit, 2)
        false = wrong_tile(self.case).read_bytes()
        for host in self.colluders:
            self.deliver(workunit, host, false)
        self.validate()
        assert self.shop.state(workunit).canonical == 0
        return honest

    def report(self, workunit: int) -> None:
        """Let the third computer report an honest image."""
        self.shop.succeed(workunit, 2).write_bytes(self.honest)
        self.shop.settle()
        self.validate()


@pytest.fixture
def images(shop: Shop, tmp_path: Path) -> Images:
    return Images(shop, tmp_path)


@pytest.mark.parametrize("wrong", [0, 1])
def test_the_wrong_one_is_found_and_the_right_one_is_canonical(images: Images, wrong: int) -> None:
    unit = images.unit()
    data = [images.honest, images.honest]
    data[wrong] = wrong_tile(images.case).read_bytes()
    hosts = [images.send(unit, one) for one in data]
    images.validate()
    state = images.shop.state(unit)
    assert state.canonical == 1 - wrong
    assert [one.server_state for one in state.results] == [ServerState.OVER] * 2
    assert state.result(wrong).validate_state is ValidateState.INVALID
    assert not state.result(wrong).error
    assert state.result(1 - wrong).validate_state is ValidateState.VALID
    reason = images.shop.result(unit, wrong).validate_reason
    assert reason == f"Computed again, of night0.fits tile {TILE} has other values."
    assert images.credit(hosts[1 - wrong])[0] > 0 == images.credit(hosts[wrong])[0]
    # Whoever is wrong loses its record as by an audit; no other host vouched for the right one.
    assert images.record(hosts[wrong]).n_audit_failed == 1
    assert images.record(hosts[wrong]).consecutive_valid == 0
    assert images.record(hosts[1 - wrong]).consecutive_valid == 3
    assert images.record(hosts[1 - wrong]).n_audited == 200
    assert EventKind.AUDIT_FAILED in images.kinds(unit)
    (settled,) = images.evidence(unit).data["settled"]
    assert [one["verdict"] for one in settled["verdicts"]] == (
        ["invalid", "valid"] if wrong == 0 else ["valid", "invalid"]
    )


def test_what_is_wholly_false_is_found_by_some_tiles_and_another_one_confirms(
    images: Images,
) -> None:
    unit = images.unit()
    images.send(unit, cheaper_kernel(images.case).read_bytes())
    images.send(unit, images.honest)
    images.validate()
    state = images.shop.state(unit)
    assert state.canonical is None
    assert state.result(0).validate_state is ValidateState.INVALID
    assert state.result(1).validate_state is ValidateState.INCONCLUSIVE
    images.send(unit, images.honest)
    images.validate()
    assert images.shop.state(unit).canonical == 1


def test_without_its_inputs_the_validator_asks_a_third(images: Images) -> None:
    unit = images.unit()
    images.send(unit, wrong_tile(images.case).read_bytes())
    images.send(unit, images.honest)
    name = next(path for path in images.project.settings.path("download").rglob("*_frame_00.fits"))
    kept = name.read_bytes()
    data = bytearray(kept)
    data[2880 * 3] ^= 1  # a number of the compressed pixels, or of their table
    name.chmod(0o644)
    name.write_bytes(data)
    images.validate()
    state = images.shop.state(unit)
    assert state.canonical is None
    assert {one.validate_state for one in state.results if one.over} == {ValidateState.INCONCLUSIVE}
    assert [one.waiting for one in state.results] == [False, False, True]
    # With the files as they were the question is settled at the next look.
    name.write_bytes(kept)
    images.send(unit, images.honest)
    images.validate()
    state = images.shop.state(unit)
    assert state.canonical == 1
    assert state.result(0).validate_state is ValidateState.INVALID


def test_one_honest_latecomer_brings_two_colluders_down(images: Images) -> None:
    unit = images.unit(copies=3)
    honest = images.late(unit)
    colluders = images.colluders
    assert all(images.credit(one)[0] > 0 for one in colluders)
    images.report(unit)
    state = images.shop.state(unit)
    assert state.canonical is None
    assert EventKind.REOPENED in images.kinds(unit)
    assert state.result(2).validate_state is ValidateState.INCONCLUSIVE
    images.validate()
    state = images.shop.state(unit)
    assert state.canonical == 2
    assert [state.result(one).validate_state for one in (0, 1)] == [ValidateState.INVALID] * 2
    assert [images.credit(one)[0] for one in colluders] == pytest.approx([0.0, 0.0], abs=1e-9)
    assert [images.record(one).n_audit_failed for one in colluders] == [1, 1]
    assert images.credit(honest)[0] > 0


def test_of_a_campaign_that_is_over_the_product_is_doubted(images: Images) -> None:
    unit = images.unit(copies=3)
    images.late(unit)
    with images.project.database.write() as session:
        session.scalars(select(CampaignRow)).one().state = CampaignState.COMPLETE.value
    images.report(unit)
    state = images.shop.state(unit)
    assert state.canonical == 0
    assert state.result(2).validate_state is ValidateState.INCONCLUSIVE
    with images.project.database.read() as session:
        told = session.scalars(select(Event).where(Event.kind == "product_doubted")).one()
    assert f"tile {TILE} has other values" in told.reason


def test_a_wrong_canonical_one_goes_though_the_others_outputs_are_gone(images: Images) -> None:
    unit = images.unit(copies=3)
    images.late(unit)
    images.shop.change(unit, Assimilated(images.shop.clock.now), "assimilator")
    images.shop.clock.now += 2 * 86400.0
    images.shop.settle()
    images.shop.delete()
    images.report(unit)
    images.validate()
    assert EventKind.REOPENED in images.kinds(unit)
    state = images.shop.state(unit)
    assert [one.validate_state for one in state.results[:2]] == [ValidateState.INVALID] * 2
    assert state.canonical == 2
