"""The shop with real TTV units: their inputs, their outputs, their campaign."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from apps.ttv.output import TtvOutput, write_ttv_output
from boinc_project.states import AssimilateState, ServerState
from server.daemons import assimilator, validator
from server.models import CampaignRow, Event, Host, ProductRow, User, Workunit
from tests.integration.daemons.conftest import Shop
from tests.unit.apps.ttv.validate import ttv_case
from work_generator.definition import to_definition

CAMPAIGN = "toy"


@dataclass
class TtvShop:
    """Everybody's part, for one campaign of small real units."""

    shop: Shop

    def __post_init__(self) -> None:
        number = self.shop.add_campaign(CAMPAIGN)
        with self.shop.project.database.write() as session:
            row = session.get_one(CampaignRow, number)
            row.definition = to_definition(ttv_case.campaign())
            row.next_generation = 1

    def add(self, index: int = 0, **limits: int) -> int:
        """Issue a unit as a workunit; its results are unsent."""
        case = ttv_case.case(index)
        number = self.shop.add_workunit(
            case.unit.name,
            campaign=CAMPAIGN,
            inputs={"unit.json": case.unit.to_bytes(), "transits.csv": case.table},
            **limits,
        )
        with self.shop.project.database.write() as session:
            row = session.get_one(Workunit, number)
            row.unit_digest = case.unit.digest
        self.shop.settle()
        return number

    def report(
        self, workunit: int, output: TtvOutput | None, instance: int | None = None
    ) -> tuple[int, Host, Path]:
        """Send a result to a new host, which uploads `output` (None: it gets lost) and reports."""
        if instance is None:
            instance = next(
                one.instance
                for one in self.shop.state(workunit).results
                if one.server_state is ServerState.UNSENT
            )
        host = self.shop.send(workunit, instance)
        path = self.shop.succeed(workunit, instance)
        if output is None:
            path.unlink()
        else:
            write_ttv_output(path, output)
        self.shop.settle()
        return instance, host, path

    def validate(self) -> int:
        return validator.one_pass(self.shop.project)

    def assimilate(self) -> int:
        return assimilator.one_pass(self.shop.project)

    def finish(self, index: int = 0) -> int:
        """Let a unit get its canonical result."""
        workunit = self.add(index)
        for _ in range(2):
            self.report(workunit, ttv_case.case(index).output)
        assert self.validate() == 1
        assert self.shop.state(workunit).assimilate_state is AssimilateState.READY
        return workunit

    @property
    def product(self) -> Path:
        return self.shop.project.settings.path("products") / CAMPAIGN

    def products(self) -> list[ProductRow]:
        with self.shop.project.database.read() as session:
            return list(session.scalars(select(ProductRow).order_by(ProductRow.version)))

    def campaign_events(self, kind: str) -> list[Event]:
        with self.shop.project.database.read() as session:
            return list(session.scalars(select(Event).where(Event.kind == kind).order_by(Event.id)))

    def credit_of(self, host: Host) -> tuple[float, float, float]:
        """Return a host's total, its user's total, and the host's average."""
        with self.shop.project.database.read() as session:
            row = session.get_one(Host, host.id)
            user = session.get_one(User, host.userid)
            return row.total_credit, user.total_credit, row.expavg_credit
