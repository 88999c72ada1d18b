"""Rows for tests: users, computers, apps, campaigns, workunits, tasks, products, daemons.

Every method makes one row with plain defaults and returns it, readable outside its session. What a
test is about it says by keyword; everything else does not matter to it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from apps.nested.merge.report import nested_report
from apps.ttv.merge.report import chains_report
from boinc_project.campaign import Campaign, Published, Quorum, StopRule
from boinc_project.protocol.account import client_password_hash
from boinc_project.report import REPORT, Report
from boinc_project.settings import Settings, settings_from
from boinc_project.states import (
    AssimilateState,
    CampaignState,
    ClientState,
    Outcome,
    ServerState,
    ValidateState,
)
from server.db import Database
from server.models import (
    App,
    AppVersion,
    AppVersionFile,
    Base,
    CampaignRow,
    DaemonStatus,
    Event,
    Host,
    HostAppVersion,
    ProductRow,
    Result,
    User,
    Workunit,
)
from server.services.accounts import NewAccount, create_account
from work_generator.definition import to_definition

START = 1_700_000_000.0
"""When everything happens, unless a test says otherwise (2023-11-14 22:13:20 UTC)."""
PASSWORD = "correct horse"
LINUX = "x86_64-pc-linux-gnu"

VALID = {
    "server_state": ServerState.OVER,
    "outcome": Outcome.SUCCESS,
    "client_state": ClientState.FILES_UPLOADED,
    "validate_state": ValidateState.VALID,
}
"""States of a result that ended well."""
IN_PROGRESS = {"server_state": ServerState.IN_PROGRESS}
"""States of a result on a host."""

Row = TypeVar("Row", bound=Base)


class FakeClock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: float = START) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += seconds


def project_settings(root: Path, **sections: dict[str, Any]) -> Settings:
    """Return the settings of a project in `root`, with all that the web server needs there."""
    keys = root / "keys"
    keys.mkdir(parents=True, exist_ok=True)
    (keys / "session_key").write_bytes(b"a key for tests of sessions only")
    return settings_from(dict(sections), root=root)


def campaign_definition(**changes: Any) -> Campaign:
    """Return a small campaign as the generator prepares it."""
    values: dict[str, Any] = {
        "name": "kepler-9",
        "title": "Masses of Kepler-9 b and c",
        "description": "Two planets near a 2:1 resonance.",
        "app": "ttv_mcmc",
        "seed": 1,
        "settings": {},
        "inputs": {"transits.csv": b"planet,epoch,bkjd,sigma_days\n"},
        "units_per_generation": 8,
        "quorum": Quorum(),
        "stop": StopRule(),
        "published": (Published("b.mass", 43.4, 1.6, 2.0, "Borsato et al. 2019"),),
        "source": '[campaign]\nname = "kepler-9"\n',
    }
    return Campaign(**(values | changes))


def product_summary(**changes: Any) -> dict[str, Any]:
    """Return a summary.json in the form of docs/scientist/products.md."""

    def value(number: float) -> dict[str, float]:
        return {"value": number, "mcse": 0.03}

    def parameter(name: str, label: str, unit: str, middle: float, error: float) -> dict[str, Any]:
        return {
            "name": name,
            "label": label,
            "unit": unit,
            "derived": False,
            "median": value(middle),
            "q16": value(middle - error),
            "q84": value(middle + error),
            "rhat": 1.08,
            "ess_bulk": 210.0,
            "ess_tail": 300.0,
            "published": [],
        }

    published = {"value": 43.4, "plus": 1.6, "minus": 2.0, "source": "Borsato et al. 2019"}
    mass = parameter("b.mass", "mass of b", "Earth masses", 43.2, 0.6)
    eccentricity = parameter("b.eccentricity", "eccentricity of b", "", 0.0609, 0.001)
    summary: dict[str, Any] = {
        "format": 1,
        "campaign": "kepler-9",
        "n_draw": 24_000,
        "converged": False,
        "evidence": None,
        "verdict": product_verdict(),
        "missing": ["R-hat of b.mass is 1.08; the stop rule asks for at most 1.01."],
        "rhat_max": {"value": 1.08, "parameter": "b.mass"},
        "ess_bulk_min": {"value": 210.0, "parameter": "b.mass"},
        "ess_tail_min": {"value": 1260.0, "parameter": "c.ecosw"},
        "parameters": [
            mass | {"published": [published]},
            parameter("b.period", "period of b", "days", 19.2388, 0.0002),
            eccentricity | {"derived": True, "rhat": None, "ess_bulk": None, "ess_tail": None},
        ],
    }
    return reported(summary | changes, chains_report)


def reported(
    summary: dict[str, Any], write: Callable[[dict[str, Any], str], Report]
) -> dict[str, Any]:
    """Return a summary with its report; without one if it has no verdict."""
    verdict = summary.get("verdict")
    if not isinstance(verdict, dict):
        return summary
    words = ("sampled", "described", "informative")
    whole = {**summary, "converged": all(verdict[word] for word in words)}
    return {**whole, REPORT: write(whole, "24,000 draws").to_plain()}


def verdict_row(key: str, **changes: Any) -> dict[str, Any]:
    """Return one row of a verdict, of a check that is met."""
    return {
        "key": key,
        "word": "sampled",
        "title": f"Check {key}",
        "value": 1.5,
        "limit": 2.0,
        "relation": "at most",
        "met": True,
        "text": f"{key} is 1.5, below its limit of 2.",
    } | changes


def product_verdict(**changes: Any) -> dict[str, Any]:
    """Return a verdict by which nothing but R-hat and the second opinion keeps back."""
    rows = [
        verdict_row("ess_bulk", value=812.0, limit=400.0, relation="at least"),
        verdict_row(
            "rhat",
            title="Chains against each other",
            value=1.08,
            limit=1.01,
            met=False,
            text="R-hat of b.mass is 1.08: about 12 more sub-chains are needed.",
        ),
        verdict_row(
            "second_opinion",
            title="Second opinion",
            value=None,
            limit=4.0,
            met=False,
            text="The second opinion has not come back yet.",
        ),
        verdict_row("chi2", word="described", title="Chi-square per degree of freedom"),
        verdict_row(
            "worst_transits",
            word="described",
            title="Worst transits",
            value=2.4,
            limit=None,
            relation=None,
            text="The worst transit is number 7 of c, 2.4 sigma off.",
        ),
        verdict_row("gain.b.mass", word="informative", title="Information on b.mass"),
    ]
    verdict = {
        "sampled": False,
        "described": True,
        "informative": True,
        "sentence": "The posterior is not sampled yet.",
        "rows": rows,
    }
    return verdict | changes


def sampled_verdict(**changes: Any) -> dict[str, Any]:
    """Return a verdict of three times yes."""
    rows = [row for row in product_verdict()["rows"] if row["met"]]
    sentence = "The posterior is sampled, and the model describes the data."
    return product_verdict(sampled=True, sentence=sentence, rows=rows) | changes


def nested_summary(**changes: Any) -> dict[str, Any]:
    """Return the summary.json of a nested product."""
    summary = product_summary()
    for key in ("rhat_max", "ess_bulk_min", "ess_tail_min"):
        del summary[key]
    for one in summary["parameters"]:
        one |= {"rhat": None, "ess_bulk": None, "ess_tail": None}

    def mode(share: float, logz: float) -> dict[str, Any]:
        return {
            "share": {"value": share, "mcse": 0.05},
            "logz": {"value": logz, "mcse": 0.3},
            "log_likelihood_max": -208.0,
        }

    summary |= {
        "missing": ["The error of log Z is 0.250; the stop rule asks for at most 0.1."],
        "evidence": {
            "logz": {"value": 645.2, "mcse": 0.25},
            "information": 38.4,
            "ess": 5120.0,
            "n_live": 2000,
        },
        "modes": [mode(0.8, 645.0), mode(0.2, 643.6)],
    }
    return reported(summary | changes, nested_report)


class Factory:
    """Makes rows in one database.

    Parameters
    ----------
    database : Database
        A migrated database.
    start : float
        Epoch seconds at which rows are made.
    """

    def __init__(self, database: Database, *, start: float = START) -> None:
        self.database = database
        self.start = start
        self._count = 0
        self._units: dict[tuple[int, int], int] = {}

    def add(self, row: Row) -> Row:
        """Store a row."""
        with self.database.write() as session:
            session.expire_on_commit = False
            session.add(row)
        return row

    def user(self, name: str = "", *, password: str | None = None, **columns: Any) -> User:
        """Make a volunteer; with a password they can log in (argon2 takes a while)."""
        name = name or f"user{self._next()}"
        email = columns.pop("email_addr", f"{name.lower()}@example.org")
        if password is not None:
            new = NewAccount(email, client_password_hash(password, email), name)
            user = create_account(self.database, new, now=self.start)
            return self.change(user, **columns) if columns else user
        key = hashlib.md5(email.encode()).hexdigest()
        values: dict[str, Any] = {
            "create_time": self.start,
            "name": name,
            "email_addr": email,
            "passwd_hash": "",
            "authenticator": key,
            "cross_project_id": key[::-1],
        }
        return self.add(User(**(values | columns)))

    def host(self, user: User, **columns: Any) -> Host:
        """Make a computer."""
        values: dict[str, Any] = {
            "userid": user.id,
            "create_time": self.start,
            "rpc_time": self.start,
            "domain_name": f"computer-{self._next()}",
            "p_ncpus": 4,
            "p_vendor": "GenuineIntel",
            "p_model": "Intel(R) Core(TM) i5-8250U CPU @ 1.60GHz",
            "p_fpops": 4.2e9,
            "p_iops": 1.7e10,
            "m_nbytes": 1.6e10,
            "d_total": 5e11,
            "d_free": 2e11,
            "os_name": "Linux Debian",
            "os_version": "Debian GNU/Linux 12 (bookworm)",
            "platform_name": LINUX,
            "client_version": "7.20.5",
            "last_ip_addr": "192.0.2.7",
        }
        return self.add(Host(**(values | columns)))

    def app(self, name: str = "ttv_mcmc", **columns: Any) -> App:
        """Make an app."""
        values: dict[str, Any] = {
            "name": name,
            "user_friendly_name": "Transit timing (MCMC)",
            "create_time": self.start,
        }
        return self.add(App(**(values | columns)))

    def app_version(self, app: App, **columns: Any) -> AppVersion:
        """Make a signed version with a launcher and an archive."""
        version_num = columns.get("version_num", 100)
        platform = columns.get("platform", LINUX)
        values: dict[str, Any] = {
            "appid": app.id,
            "version_num": version_num,
            "platform": platform,
            "create_time": self.start,
        }
        stem = f"{app.name}_{version_num}_{platform}"
        files = [
            self._file(stem, main_program=True, executable=True, nbytes=24_000),
            self._file(f"{stem}.tar", open_name="app.tar", nbytes=41_234_567),
        ]
        return self.add(AppVersion(files=files, **(values | columns)))

    def campaign(self, app: App, **columns: Any) -> CampaignRow:
        """Make a campaign."""
        name = columns.pop("name", "kepler-9")
        definition = columns.pop("definition", None) or campaign_definition(name=name, app=app.name)
        values: dict[str, Any] = {
            "name": name,
            "title": definition.title,
            "description": definition.description,
            "appid": app.id,
            "create_time": self.start,
            "state": CampaignState.ACTIVE.value,
            "definition": to_definition(definition),
            "source": definition.source,
        }
        return self.add(CampaignRow(**(values | columns)))

    def workunit(self, campaign: CampaignRow, **columns: Any) -> Workunit:
        """Make a workunit; without a place it gets the next index of generation 0."""
        generation = columns.get("generation", 0)
        place = (campaign.id, generation)
        index = columns.setdefault("unit_index", self._units.get(place, 0))
        self._units[place] = index + 1
        values: dict[str, Any] = {
            "name": f"{campaign.name}_g{generation}_u{index:03d}",
            "appid": campaign.appid,
            "campaign_id": campaign.id,
            "unit_digest": hashlib.sha256(
                f"{campaign.name} {generation} {index}".encode()
            ).hexdigest(),
            "create_time": self.start,
            "rsc_fpops_est": 1e12,
            "rsc_fpops_bound": 1e13,
            "rsc_memory_bound": 5e8,
            "rsc_disk_bound": 5e8,
            "max_nbytes": 10_000_000,
            "delay_bound": 7 * 86400.0,
            "min_quorum": 2,
            "target_nresults": 2,
            "max_error_results": 3,
            "max_total_results": 8,
            "max_success_results": 6,
        }
        return self.add(Workunit(**(values | columns)))

    def result(
        self, workunit: Workunit, host: Host | None = None, *, instance: int = 0, **columns: Any
    ) -> Result:
        """Make a task; with a host it was sent to it."""
        name = f"{workunit.name}_{instance}"
        values: dict[str, Any] = {
            "name": name,
            "workunitid": workunit.id,
            "appid": workunit.appid,
            "instance": instance,
            "create_time": self.start,
            "output_name": f"{name}_{hashlib.sha256(name.encode()).hexdigest()[:16]}",
        }
        if host is not None:
            values |= {
                "hostid": host.id,
                "userid": host.userid,
                "sent_time": self.start,
                "report_deadline": self.start + workunit.delay_bound,
                **IN_PROGRESS,
            }
        if columns.get("server_state") is ServerState.OVER and host is not None:
            values |= {
                "received_time": self.start + 3600.0,
                "cpu_time": 1800.0,
                "elapsed_time": 1900.0,
                "peak_working_set_size": 1.2e8,
            }
        return self.add(Result(**(values | columns)))

    def valid_workunit(self, campaign: CampaignRow, hosts: list[Host], **columns: Any) -> Workunit:
        """Make a workunit that all `hosts` computed alike, merged into the product."""
        workunit = self.workunit(campaign, **columns)
        results = [
            self.result(workunit, host, instance=instance, granted_credit=12.5, **VALID)
            for instance, host in enumerate(hosts)
        ]
        return self.change(
            workunit,
            canonical_resultid=results[0].id,
            canonical_credit=12.5,
            assimilate_state=AssimilateState.DONE,
        )

    def product(self, campaign: CampaignRow, **columns: Any) -> ProductRow:
        """Make a product's row; its files are the test's own business."""
        values: dict[str, Any] = {
            "campaign_id": campaign.id,
            "version": 1,
            "create_time": self.start,
            "n_unit": 8,
            "n_draw": 24_000,
            "converged": False,
            "digest": "d" * 64,
            "summary": product_summary(campaign=campaign.name),
        }
        return self.add(ProductRow(**(values | columns)))

    def record(self, host: Host, version: AppVersion, **columns: Any) -> HostAppVersion:
        """Make a computer's record with an app version."""
        return self.add(HostAppVersion(host_id=host.id, app_version_id=version.id, **columns))

    def daemon(self, name: str, **columns: Any) -> DaemonStatus:
        """Make a daemon's heartbeat."""
        values: dict[str, Any] = {
            "pid": 1,
            "hostname": "server",
            "start_time": self.start,
            "last_pass": self.start,
        }
        return self.add(DaemonStatus(name=name, **(values | columns)))

    def event(self, workunit: Workunit, kind: str, **columns: Any) -> Event:
        """Make a line of a workunit's story."""
        values: dict[str, Any] = {
            "time": self.start,
            "actor": "scheduler",
            "kind": kind,
            "campaign_id": workunit.campaign_id,
            "workunitid": workunit.id,
        }
        return self.add(Event(**(values | columns)))

    def change(self, row: Row, **columns: Any) -> Row:
        """Change columns of a stored row."""
        with self.database.write() as session:
            session.expire_on_commit = False
            stored = session.merge(row)
            for name, value in columns.items():
                setattr(stored, name, value)
        return stored

    def _file(self, name: str, **columns: Any) -> AppVersionFile:
        values: dict[str, Any] = {
            "name": name,
            "md5": hashlib.md5(name.encode()).hexdigest(),
            "sha256": hashlib.sha256(name.encode()).hexdigest(),
            "signature": "a signature",
        }
        return AppVersionFile(**(values | columns))

    def _next(self) -> int:
        self._count += 1
        return self._count
