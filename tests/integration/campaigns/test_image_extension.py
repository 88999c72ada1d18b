"""Frames that join a campaign later: its image is that of all of them, and old ones are kept."""

from __future__ import annotations

import io
import shutil
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console
from sqlalchemy import select

from apps.images.compute.built import load_kernel
from apps.images.compute.computing import run
from apps.images.merge import canonical as assimilator_of_images
from apps.images.plan import units as reprojection
from apps.runtime.runtime import open_runtime
from boinc_project.campaign import Progress
from boinc_project.errors import InputError, StateError
from boinc_project.input_store import InputStore
from boinc_project.outputs import Canonical
from boinc_project.states import CampaignState
from boinc_project.unit import Unit, parse_unit, seal
from server.app import create_app
from server.cli.campaign_tables import status_report
from server.daemons import assimilator, validator, work_generator
from server.models import App, CampaignRow, Event, ProductRow, Workunit
from server.project import SESSION_KEY_FILE
from server.services import campaigns
from server.services.campaign_extend import Extended, extend
from server.services.campaign_issue import add_workunits
from server.services.judgement import EXTENDED
from tests.integration.daemons.conftest import Shop
from tests.unit.apps.images.plan.image_campaign import write_campaign, write_field
from work_generator.campaign_file import load_campaign
from work_generator.definition import from_definition

pytestmark = pytest.mark.skipif(load_kernel() is None, reason="the kernel was not built")

TEXT = """\
[images]
files = ["night"]
[reference]
choose = true
[reproject]
frames_per_unit = 2
[coadd]
sigma = 1.5
reference = "frame1.fits"
[quorum]
min_quorum = 1
"""
DAY = 86400.0
PLANES = ("image", "weight", "variance", "count", "rejected", "flags")


class Field:
    """A campaign of three frames of five, the real daemons, and a computer that computes."""

    def __init__(self, shop: Shop, directory: Path) -> None:
        self.shop, self.directory = shop, directory
        with shop.project.database.write() as session:
            session.scalars(select(App)).one().name = "reprojection"
        self.frames = write_field(directory / "all", 5)
        for path in self.frames[:3]:
            self.take(path)
        self.file = write_campaign(directory, TEXT)
        campaigns.issue(shop.project, load_campaign(self.file))
        shop.settle()

    @property
    def products(self) -> Path:
        return self.shop.project.settings.path("products") / "field"

    def take(self, path: Path) -> None:
        (self.directory / "night").mkdir(exist_ok=True)
        shutil.copyfile(path, self.directory / "night" / path.name)

    def extend(self) -> Extended:
        done = extend(self.shop.project, "field", load_campaign(self.file), self.file)
        self.shop.settle()
        return done

    def workunits(self) -> list[Workunit]:
        with self.shop.project.database.read() as session:
            return list(session.scalars(select(Workunit).order_by(Workunit.id)))

    def row(self) -> CampaignRow:
        with self.shop.project.database.read() as session:
            return session.scalars(select(CampaignRow)).one()

    def versions(self) -> list[tuple[int, bool, int]]:
        with self.shop.project.database.read() as session:
            rows = session.scalars(select(ProductRow).order_by(ProductRow.version)).all()
            return [(row.n_unit, row.converged, row.summary["n_frame"]) for row in rows]

    def compute(self) -> list[str]:
        """Let a new computer compute all that waits; return the units' names."""
        computed = []
        for row in self.workunits():
            for one in self.shop.state(row.id).results:
                if one.waiting:
                    self.shop.send(row.id, one.instance)
                    path = self.shop.succeed(row.id, one.instance)
                    shutil.copyfile(self._output(row), path)
                    computed.append(row.name)
        self.shop.settle()
        return computed

    def _output(self, row: Workunit) -> Path:
        downloads = self.shop.project.downloads
        with self.shop.project.database.read() as session:
            files = {one.open_name: one.name for one in session.get_one(Workunit, row.id).files}
        paths = {name: downloads.path(physical) for name, physical in files.items()}
        unit = parse_unit(paths["unit.json"].read_bytes())
        return computed(unit, paths, self.directory / "slots" / row.name)

    def work(self) -> None:
        """Let the daemons come to rest."""
        for _ in range(3):
            validator.one_pass(self.shop.project)
            self.shop.settle()
            assimilator.one_pass(self.shop.project)
            self.shop.settle()
            work_generator.one_pass(self.shop.project)
            self.shop.settle()

    def finish(self) -> None:
        self.compute()
        self.work()
        assert self.row().state == CampaignState.COMPLETE.value


def computed(unit: Unit, paths: dict[str, Path], slot: Path) -> Path:
    """Compute a unit, once."""
    if not (slot / "output.fits").exists():
        seal(unit, {name: paths[name] for name in unit.inputs}, slot)
        with open_runtime(slot) as runtime:
            inputs = {name: slot / name for name in unit.inputs}
            run(unit, inputs, slot / "output.fits", runtime)
    return slot / "output.fits"


@pytest.fixture
def field(shop: Shop, tmp_path: Path) -> Field:
    directory = tmp_path / "field"
    directory.mkdir()
    return Field(shop, directory)


def shown(field: Field) -> str:
    """Return the campaign's page."""
    project = field.shop.project
    key = project.key_path(SESSION_KEY_FILE)
    key.parent.mkdir(parents=True, exist_ok=True)
    key.write_bytes(bytes(32))
    client = create_app(project.settings, database=project.database).test_client()
    return client.get("/campaigns/field").text


def reported(field: Field) -> str:
    """Return what ``openastro campaign status`` says."""
    console = Console(width=200, file=io.StringIO())
    console.print(status_report(campaigns.status(field.shop.project, "field")))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def from_the_start(field: Field, at: float) -> Path:
    """Return the product of a campaign that had all frames at once, on the same grid."""
    edited = load_campaign(field.file)
    settled = from_definition(field.row().definition).settings
    settings = {**edited.settings, "grid": settled["grid"], "chosen": settled["chosen"]}
    store = InputStore(field.directory / "inputs")
    whole = reprojection.prepare(replace(edited, settings=settings), None, store)
    outputs = []
    for unit in reprojection.plan(whole, Progress()):
        paths = {name: store.find(digest) for name, digest in unit.inputs.items()}
        slot = field.directory / "at-once" / unit.name
        outputs.append(Canonical(unit, computed(unit, paths, slot), unit.name))
    product = assimilator_of_images.merge(
        whole, outputs, created_at=datetime.fromtimestamp(at, UTC)
    )
    product.write(field.directory / "product")
    return field.directory / "product"


def test_the_image_is_that_of_a_campaign_which_had_all_frames_from_the_start(
    field: Field,
) -> None:
    field.finish()
    shop = field.shop
    assert field.versions() == [(2, True, 3)]
    first = (field.products / "image.fits").read_bytes()
    shop.clock.now += 20 * DAY
    shop.settle()
    shop.delete()
    for path in field.frames[3:]:
        field.take(path)
    done = field.extend()
    assert (done.added, done.known, done.n_unit, done.reopened) == (
        ("frame3.fits", "frame4.fits"), 3, 1, True,
    )  # fmt: skip
    row = field.row()
    assert (row.state, row.end_time, row.end_reason) == (CampaignState.ACTIVE.value, None, "")
    # The old product was complete; it is not any more, nor is the campaign, until the new one is.
    assert field.versions() == [(2, False, 3)]
    assert "not done yet" in shown(field)
    assert "all frames in: yes" not in shown(field)
    assert EXTENDED in shown(field)
    assert EXTENDED in reported(field)
    field.work()
    assert field.row().state == CampaignState.ACTIVE.value
    # Only what is new is computed.
    assert field.compute() == ["field_g0_u002"]
    field.work()
    row = field.row()
    assert row.state == CampaignState.COMPLETE.value
    assert row.end_reason == "All 3 units are done and merged."
    assert field.versions() == [(2, False, 3), (3, True, 5)]
    assert "all frames in: yes" in shown(field)
    assert "All 5 frames are in the image." in reported(field)
    assert (field.products / "image.fits").read_bytes() != first
    wanted = from_the_start(field, shop.clock.now)
    for plane in PLANES:
        name = f"{plane}.fits"
        assert (field.products / name).read_bytes() == (wanted / name).read_bytes(), name
    with shop.project.database.read() as session:
        told = session.scalars(select(Event).where(Event.kind == "campaign_extended")).one()
        assert told.reason == "2 images joined it, in 1 workunit."
    # And again: nothing is new, and nothing is opened for it.
    again = field.extend()
    assert (again.n_unit, again.known, again.reopened) == (0, 5, False)
    assert field.row().state == CampaignState.COMPLETE.value
    assert campaigns.issue(shop.project, load_campaign(field.file)).existed


def test_a_running_campaign_is_extended_before_its_first_units_are_done(field: Field) -> None:
    field.take(field.frames[3])
    assert not field.extend().reopened
    field.take(field.frames[4])
    field.extend()
    names = [row.name for row in field.workunits()]
    assert names == [f"field_g0_u{number:03d}" for number in range(4)]
    assert field.compute() == names
    field.work()
    assert field.versions() == [(4, True, 5)]
    wanted = from_the_start(field, field.shop.clock.now)
    image = (field.products / "image.fits").read_bytes()
    assert image == (wanted / "image.fits").read_bytes()


def test_new_units_that_fail_leave_the_image_as_it_was_and_say_so(field: Field) -> None:
    field.finish()
    field.take(field.frames[3])
    field.extend()
    (new,) = [row for row in field.workunits() if row.unit_index == 2]
    for _ in range(9):
        waiting = [one.instance for one in field.shop.state(new.id).results if one.waiting]
        for instance in waiting:
            field.shop.send(new.id, instance)
            field.shop.fail(new.id, instance)
        field.shop.settle()
    field.work()
    assert field.row().state == CampaignState.COMPLETE.value
    assert field.row().end_reason.startswith("All 3 units are done, and 2 of them are merged")
    assert field.versions() == [(2, False, 3), (2, False, 3)]
    assert "1 of 3 units are not in the image." in shown(field)


def test_after_its_files_are_gone_it_is_not_extended(field: Field) -> None:
    field.finish()
    field.take(field.frames[3])
    shop = field.shop
    for days in (29, 1):
        assert not field.workunits()[0].file_delete_state.value
        shop.clock.now += days * DAY
        shop.settle()
    # Marked is as good as gone: the deleter may be at it.
    before = len(field.workunits())
    with pytest.raises(StateError, match=r"cannot be extended any more.*extend_delay"):
        field.extend()
    shop.delete()
    with pytest.raises(StateError, match="cannot be extended any more"):
        field.extend()
    assert len(field.workunits()) == before
    assert field.row().state == CampaignState.COMPLETE.value


def test_a_lost_output_is_noticed(field: Field) -> None:
    field.finish()
    field.take(field.frames[3])
    for path in field.shop.project.settings.path("upload").rglob("*"):
        if path.is_file():
            path.unlink()
            break
    with pytest.raises(StateError, match="cannot be extended any more"):
        field.extend()


def test_what_cannot_be_extended_is_refused_in_one_sentence(field: Field) -> None:
    field.take(field.frames[3])
    edited, project = load_campaign(field.file), field.shop.project
    with pytest.raises(InputError, match=r"describes the campaign field, not virgo"):
        extend(project, "virgo", edited, field.file)
    with pytest.raises(InputError, match="There is no campaign virgo"):
        extend(project, "virgo", replace(edited, name="virgo"), field.file)
    with pytest.raises(InputError, match=r"campaign extend field FILE"):
        campaigns.issue(project, edited)
    campaigns.cancel(project, "field")
    with pytest.raises(StateError, match="was cancelled"):
        field.extend()
    assert len(field.workunits()) == 2


def test_of_two_extensions_at_once_one_is_refused(
    field: Field, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have looked at their images when the first of them writes."""
    from server.services import campaign_extend

    field.take(field.frames[3])
    both = threading.Barrier(2)
    stage = campaign_extend.stage

    def together(*arguments, **options):
        both.wait(30)
        return stage(*arguments, **options)

    monkeypatch.setattr(campaign_extend, "stage", together)
    said: list[object] = []

    def run_one() -> None:
        try:
            said.append(
                extend(field.shop.project, "field", load_campaign(field.file), field.file).n_unit
            )
        except StateError as error:
            said.append(error.message)

    threads = [threading.Thread(target=run_one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(map(str, said)) == [
        "1",
        "Somebody else has extended the campaign field meanwhile: repeat the command.",
    ]
    indices = [row.unit_index for row in field.workunits()]
    assert indices == [0, 1, 2]
    monkeypatch.undo()
    assert field.extend().n_unit == 0


def test_an_extension_between_a_look_and_its_end_keeps_the_campaign_running(
    field: Field, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The work generator has decided that all is done, and then more units come."""
    field.take(field.frames[3])
    field.compute()
    validator.one_pass(field.shop.project)
    field.shop.settle()
    assimilator.one_pass(field.shop.project)
    complete = work_generator.complete

    def late(*arguments, **options):
        monkeypatch.undo()
        field.extend()
        return complete(*arguments, **options)

    monkeypatch.setattr(work_generator, "complete", late)
    work_generator.one_pass(field.shop.project)
    assert field.row().state == CampaignState.ACTIVE.value
    assert field.compute() == ["field_g0_u002"]
    field.work()
    assert field.versions()[-1] == (3, True, 4)


def test_an_extension_while_the_end_is_cleared_up_loses_nothing(
    field: Field, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sweep has seen an ended campaign; before it sees the units there are more of them."""
    field.finish()
    with field.shop.project.database.write() as session:
        session.scalars(select(CampaignRow)).one().end_time = None
    field.take(field.frames[3])
    select_open = campaigns._open_workunits

    def late(campaign_id):
        monkeypatch.undo()
        field.extend()
        return select_open(campaign_id)

    monkeypatch.setattr(campaigns, "_open_workunits", late)
    assert campaigns.sweep(field.shop.project, field.row().id, actor="test") == 0
    assert (field.row().state, field.row().end_time) == (CampaignState.ACTIVE.value, None)
    field.finish()
    assert field.versions()[-1] == (3, True, 4)
    assert field.row().end_time is not None


def test_killed_before_its_transaction_it_is_repeated(
    field: Field, monkeypatch: pytest.MonkeyPatch
) -> None:
    from server.services import campaign_extend

    field.take(field.frames[3])

    def killed(*arguments, **options):
        add_workunits(*arguments, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(campaign_extend, "add_workunits", killed)
    with pytest.raises(KeyboardInterrupt):
        field.extend()
    monkeypatch.undo()
    assert len(field.workunits()) == 2
    assert from_definition(field.row().definition).stop.max_units == 2
    assert field.extend().n_unit == 1
