"""The export, and our programs under the contract of a stock server's script daemons.

`run` does what ``sched/script_validator.cpp`` and ``sched/script_assimilator.cpp`` do: a shell
command ``../bin/PROGRAM argument ...`` in the daemon's directory, and its exit status.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from apps.ttv.output import TtvOutput, write_ttv_output
from boinc_project import signing
from boinc_project.fanout import fanout_path
from server.db import Database, make_engine
from server.models import AppVersion, AppVersionFile
from server.schema import upgrade
from server.stock.export import Exported, export
from tests.integration.daemons.conftest import Shop, shop  # noqa: F401  a fixture
from tests.integration.daemons.ttv_shop import CAMPAIGN, TtvShop
from tests.unit.apps.ttv.validate import ttv_case

ROOT = Path(__file__).parents[3]
PROGRAM = "ttv_mcmc_100_x86_64-pc-linux-gnu"


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """Return a database of one kind: the export only reads."""
    opened = Database(make_engine(f"sqlite:///{tmp_path / 'test.sqlite'}"))
    upgrade(opened)
    return opened


class Stock:
    """A stock project's directory: ``bin/``, ``upload/`` and the daemons' ``tmp_HOST``."""

    def __init__(self, project: Path, exported: Path) -> None:
        self.project = project
        (project / "tmp_host").mkdir(parents=True)
        (project / "bin").mkdir()
        for path in (exported / "bin").iterdir():
            (project / "bin" / path.name).symlink_to(path)
        self.exported = exported

    def run(self, command: str) -> int:
        """Return the exit status of a daemon's system() call."""
        environment = os.environ | {
            "PYTHONPATH": str(ROOT),
            "OPENASTRO_EXPORT": str(self.exported),
        }
        return subprocess.run(
            f"../bin/{command}",
            shell=True,
            cwd=self.project / "tmp_host",
            env=environment,
            check=False,
            capture_output=True,
        ).returncode

    def upload(self, name: str, output: TtvOutput | bytes) -> Path:
        """Put an output where the upload handler does."""
        path = fanout_path(self.project / "upload", name, 1024)
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(output, bytes):
            path.write_bytes(output)
        else:
            write_ttv_output(path, output)
        return path


@pytest.fixture
def work(shop: Shop) -> TtvShop:  # noqa: F811  the fixture above
    """Return a project with two units of a campaign, and an app version with two files."""
    work = TtvShop(shop)
    work.add(0)
    work.add(1)
    key = signing.generate_key()
    shop.project.downloads.root.mkdir(parents=True, exist_ok=True)
    with shop.project.database.write() as session:
        version = session.get_one(AppVersion, 1)
        version.version_num, version.platform = 102, "x86_64-pc-linux-gnu"
        for name, main in ((PROGRAM, True), ("ttv_mcmc_102.tar.gz", False)):
            shop.project.downloads.add_application_file(name, name.encode())
            session.add(
                AppVersionFile(
                    app_version_id=1,
                    name=name,
                    open_name="" if main else name,
                    main_program=main,
                    executable=main,
                    nbytes=len(name),
                    md5="0" * 32,
                    sha256="0" * 64,
                    signature=signing.sign(name.encode(), key),
                )
            )
    return work


@pytest.fixture
def stock(work: TtvShop, tmp_path: Path) -> Stock:
    done = export(work.shop.project, tmp_path / "export")
    assert done == Exported(1, 1, 2)
    return Stock(tmp_path / "stock", tmp_path / "export")


def test_app_versions_are_as_update_versions_wants_them(stock: Stock) -> None:
    directory = stock.exported / "apps" / "ttv_mcmc" / "1.2" / "x86_64-pc-linux-gnu"
    names = {path.name for path in directory.iterdir()}
    program, archive = PROGRAM, "ttv_mcmc_102.tar.gz"
    assert names == {program, f"{program}.sig", archive, f"{archive}.sig", "version.xml"}
    assert os.access(directory / program, os.X_OK)
    version = ElementTree.parse(directory / "version.xml").getroot()
    files = version.findall("file")
    assert [one.findtext("physical_name") for one in files] == [program, archive]
    assert files[0].find("main_program") is not None
    assert files[1].findtext("logical_name") == archive
    assert version.findtext("api_version") == "7.5.0"


def test_templates_jobs_and_staged_files_fit_together(stock: Stock) -> None:
    text = (stock.exported / "templates" / f"{CAMPAIGN}_in").read_text()
    template = ElementTree.fromstring(text)
    refs = [one.findtext("open_name") for one in template.iter("file_ref")]
    assert refs == ["unit.json", "transits.csv"]
    assert template.findtext("workunit/min_quorum") == "2"
    output = (stock.exported / "templates" / f"{CAMPAIGN}_out").read_text()
    assert "<file_info>\n" in output, "the certificate is inserted behind this newline"
    jobs = (stock.exported / "jobs" / CAMPAIGN).read_text().splitlines()
    assert len(jobs) == 2
    for line in jobs:
        files = line.split()[-len(refs) :]
        assert all((stock.exported / "stage" / name).is_file() for name in files)
    assert f"--wu_name {ttv_case.case(0).unit.name} " in jobs[0]


def test_entries_are_xml_with_both_daemons(stock: Stock) -> None:
    config = ElementTree.parse(stock.exported / "config.xml").getroot()
    commands = [one.findtext("cmd") or "" for one in config.iter("daemon")]
    assert commands[0].startswith("script_validator --app ttv_mcmc --init_script ")
    assert commands[1].startswith("script_assimilator --app ttv_mcmc --script ")
    project = ElementTree.parse(stock.exported / "project.xml").getroot()
    assert project.findtext("platform/name") == "x86_64-pc-linux-gnu"
    assert project.findtext("app/name") == "ttv_mcmc"


def test_the_export_can_be_repeated_and_names_what_is_not_there(
    work: TtvShop, tmp_path: Path
) -> None:
    export(work.shop.project, tmp_path / "export")
    assert export(work.shop.project, tmp_path / "export", [CAMPAIGN]).workunits == 2
    with pytest.raises(Exception, match="There is no campaign nothing"):
        export(work.shop.project, tmp_path / "export", ["nothing"])


def test_the_programs_keep_the_contract(stock: Stock) -> None:
    case = ttv_case.case(0)
    name = case.unit.name
    good = stock.upload(f"{name}_0_r1a2b_0", case.output)
    same = stock.upload(f"{name}_1_r77_0", case.changed(platform="windows_x86_64"))
    garbage = stock.upload(f"{name}_2_r5_0", b"garbage")
    other = stock.upload(f"{ttv_case.case(1).unit.name}_0_r9_0", case.output)
    assert stock.run(f"openastro_check {good}") == 0
    assert stock.run(f"openastro_check {garbage}") == 1
    assert stock.run(f"openastro_check {other}") == 1, "an output of another unit"
    assert stock.run(f"openastro_check {good.with_name(f'{name}_7_r1_0')}") == 1, "no file"
    assert stock.run(f"openastro_compare {good} {same}") == 0
    assert stock.run(f"openastro_compare {good} {garbage}") == 1
    assert stock.run(f"openastro_compare {good} {other}") == 1
    # A name that tells of no unit is nothing that a check can decide about.
    assert stock.run(f"openastro_check {stock.upload('what', case.output)}") == 3


def test_the_assimilator_merges_when_all_is_in_and_may_run_twice(stock: Stock) -> None:
    first, second = ttv_case.case(0), ttv_case.case(1)
    path = stock.upload(f"{first.unit.name}_0_r1_0", first.output)
    product = stock.exported / "openastro" / "campaigns" / CAMPAIGN / "product"
    for _ in range(2):
        assert stock.run(f"openastro_assimilate {first.unit.name} {path}") == 0
    assert not product.exists(), "one unit is still out"
    assert stock.run(f"openastro_assimilate --error 2 {second.unit.name} 2 0") == 0
    assert (product / "posterior.h5").is_file()
    assert stock.run("openastro_assimilate unknown_g0_u000 /dev/null") == 1
