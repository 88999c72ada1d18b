"""Two volunteers' stock clients carry a campaign from its file to a merged posterior."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import h5py
import pytest
from sqlalchemy import select

from apps.volunteer.stock_client import StockClient
from boinc_project.states import Outcome, ValidateState
from server.db import Database
from server.demo.live_project import LiveProject
from server.models import Result, User

pytestmark = [
    pytest.mark.client,
    pytest.mark.frozen,
    pytest.mark.slow,
    pytest.mark.timeout(600),
]

PASSWORD = "correct horse"


def _attach_with_key(client: StockClient, project: LiveProject) -> None:
    key = project.create_account("Ann", "ann@example.org", PASSWORD)
    client.start()
    client.wait_ready()
    client.attach(key)


def _attach_with_email(client: StockClient, project: LiveProject) -> None:
    client.start()
    client.wait_ready()
    account = ("ben@example.org", PASSWORD)
    created = client.command("--create_account", project.url, *account, "Ben")
    found = client.command("--lookup_account", project.url, *account)
    key = created.rsplit("account key:", 1)[-1].strip()
    assert len(key) == 32, created
    assert key in found
    client.attach(key)


def test_campaign_from_file_to_posterior(
    project: LiveProject,
    new_client: Callable[..., StockClient],
    write_campaign: Callable[..., Path],
    results: Callable[[], list[Result]],
    rows: Database,
    tmp_path: Path,
) -> None:
    project.issue(write_campaign(units=2, quorum=2))
    ann, ben = new_client("ann"), new_client("ben")
    _attach_with_key(ann, project)
    _attach_with_email(ben, project)

    ann.wait(lambda: project.campaign("tiny")["state"] == "complete", timeout=300)

    done = results()
    # Two units of chains and the second opinion, each by both volunteers.
    assert len(done) == 6
    assert {result.outcome for result in done} == {Outcome.SUCCESS}
    assert {result.validate_state for result in done} == {ValidateState.VALID}
    by_workunit = {(result.workunitid, result.userid) for result in done}
    assert len(by_workunit) == 6, "a user checked their own result"
    assert all(result.granted_credit > 0 for result in done)
    with rows.read() as session:
        credit = {user.name: user.total_credit for user in session.scalars(select(User))}
    assert credit["Ann"] == pytest.approx(credit["Ben"])

    # The scientist fetches the product over HTTP.
    project.run("results", "get", "tiny", "--url", project.url, "--out", str(tmp_path / "got"))
    got = tmp_path / "got"
    with h5py.File(next(got.rglob("posterior.h5"))) as posterior:
        assert len(posterior) > 0
    summary = json.loads(next(got.rglob("summary.json")).read_text())
    assert summary["converged"] is False, "two short sub-chains cannot meet the stop rule"
    assert summary["missing"]
    assert next(got.rglob("oc.png")).read_bytes().startswith(b"\x89PNG")
    story = project.run("story", "tiny_g0_u000").stdout
    assert "tiny_g0_u000_0" in story
