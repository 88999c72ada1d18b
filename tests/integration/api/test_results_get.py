"""``openastro results`` against a real server over loopback, well and badly behaved."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask, Response, jsonify, request

from boinc_project.report import Report, Word
from boinc_project.settings import settings_text
from server.cli import main
from server.demo.ports import free_port
from server.models import CampaignRow
from server.services.judgement import NO_REPORT
from tests.integration.api.conftest import POSTERIOR
from tests.web_site import Site, served

SHA256 = hashlib.sha256(POSTERIOR).hexdigest()
PART = f".posterior.h5.{SHA256[:16]}.part"


@pytest.fixture
def requests(site: Site) -> list[tuple[str, str]]:
    """Note every request for a product file: its path, and the range asked for."""
    seen: list[tuple[str, str]] = []

    @site.app.before_request
    def note() -> None:
        if "/product/" in request.path:
            seen.append((request.path.rpartition("/")[2], request.headers.get("Range", "")))

    return seen


@pytest.fixture
def url(site: Site, campaign: CampaignRow, requests: list[tuple[str, str]]) -> Iterator[str]:
    with served(site.app) as address:
        yield address


def run(*arguments: str) -> int:
    """Run the command line; return its exit code."""
    try:
        main(arguments)
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def get(url: str, out: Path, campaign: str = "kepler-9") -> int:
    return run("results", "get", campaign, "--url", url, "--out", str(out))


def test_the_product_comes_whole_and_checked(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "directory"
    assert get(url, out) == 0
    assert (out / "posterior.h5").read_bytes() == POSTERIOR
    assert sorted(path.name for path in out.iterdir()) == ["posterior.h5", "summary.json"]
    told = capsys.readouterr().out
    assert f"SHA-256 {SHA256} is right" in told
    assert "sampled: no    described: yes    informative: yes" in told
    assert "about 12 more" in told
    assert "kepler-9, product version 2 (not sampled, described, informative): 2 files" in " ".join(
        told.split()
    )


def test_a_download_that_was_cut_off_goes_on(
    url: str,
    tmp_path: Path,
    requests: list[tuple[str, str]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / PART).write_bytes(POSTERIOR[:10_000])
    assert get(url, tmp_path) == 0
    assert (tmp_path / "posterior.h5").read_bytes() == POSTERIOR
    assert ("posterior.h5", "bytes=10000-") in requests
    assert "resumed at byte 10000" in capsys.readouterr().out


def test_what_is_here_already_is_not_fetched_again(
    url: str, tmp_path: Path, requests: list[tuple[str, str]]
) -> None:
    assert get(url, tmp_path) == 0
    before = len(requests)
    assert get(url, tmp_path) == 0
    assert len(requests) == before


def test_a_damaged_part_is_not_kept(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / PART).write_bytes(b"\0" * 10_000)
    assert get(url, tmp_path) == 2
    error = capsys.readouterr().err
    assert f"the server announced {SHA256}; nothing of it was kept." in error
    assert not (tmp_path / "posterior.h5").exists()
    assert not (tmp_path / PART).exists()
    assert get(url, tmp_path) == 0, "the next try must succeed"


def test_a_part_that_is_whole_is_checked_and_taken(
    url: str, tmp_path: Path, requests: list[tuple[str, str]]
) -> None:
    (tmp_path / PART).write_bytes(POSTERIOR)
    assert get(url, tmp_path) == 0
    assert "posterior.h5" not in [name for name, _ in requests]


def test_a_damaged_file_is_replaced(url: str, tmp_path: Path) -> None:
    (tmp_path / "posterior.h5").write_bytes(b"damaged")
    assert get(url, tmp_path) == 0
    assert (tmp_path / "posterior.h5").read_bytes() == POSTERIOR


def test_a_product_replaced_meanwhile_is_fetched_anew(
    site: Site, url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    newer = POSTERIOR[::-1]
    replaced = []

    @site.app.before_request
    def replace() -> None:
        if request.path.endswith("/posterior.h5") and not replaced:
            replaced.append(site.product_file("kepler-9", "posterior.h5", newer))

    assert get(url, tmp_path) == 0
    assert (tmp_path / "posterior.h5").read_bytes() == newer
    assert "was replaced during the download" in capsys.readouterr().out


def test_a_list_made_while_a_product_is_being_replaced_is_not_believed(
    site: Site, url: str, tmp_path: Path
) -> None:
    site.product_file("kepler-9", "posterior.h5", b"new posterior")  # the summary is still old
    replaced = []

    @site.app.after_request
    def replace_the_rest(response: Response) -> Response:
        if request.path.endswith("/summary.json") and not replaced:
            replaced.append(site.product_file("kepler-9", "summary.json", b"new summary"))
        return response

    assert get(url, tmp_path) == 0
    assert (tmp_path / "posterior.h5").read_bytes() == b"new posterior"
    assert (tmp_path / "summary.json").read_bytes() == b"new summary"


def test_the_list(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("results", "list", "--url", url) == 0
    told = capsys.readouterr().out
    assert "kepler-9" in told
    assert "version 2" in told
    assert "not sampled" in told
    assert "converged" not in told


def test_the_address_comes_from_the_project(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    settings = site.settings.model_copy(
        update={
            "project": site.settings.project.model_copy(update={"url": f"http://127.0.0.1:{port}/"})
        }
    )
    (tmp_path / "openastro.toml").write_text(settings_text(settings))
    with served(site.app, port):
        assert run("results", "list", "--project", str(tmp_path)) == 0
    assert run("results", "list", "--project", str(tmp_path / "nowhere")) == 2
    assert "Give its address with --url" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("ftp://127.0.0.1/", "must begin with http:// or https://"),
        ("kepler", "must begin with http:// or https://"),
        ("http://127.0.0.1:1/", "cannot be reached"),
    ],
)
def test_a_wrong_address_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], address: str, sentence: str
) -> None:
    assert get(address, tmp_path) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert len(error.strip().splitlines()) == 1


def test_the_servers_sentence_reaches_the_scientist(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert get(url, tmp_path, campaign="kepler-10") == 2
    assert "There is no campaign of this name" in capsys.readouterr().err


def test_a_directory_that_cannot_be_written(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert get(url, tmp_path / "file") == 2
    assert "cannot be written" in capsys.readouterr().err


def hostile(files: object, body: bytes = b"", **fields: object) -> Flask:
    """Make a server that lists `files` and sends `body` for each of them."""
    app = Flask("hostile")

    @app.get("/api/v1/campaigns/<name>/product")
    def product(name: str) -> Response:
        return jsonify(campaign=name, version=1, converged=True, files=files, **fields)

    @app.get("/api/v1/campaigns/<name>/product/<file>")
    def send(name: str, file: str) -> Response:
        return Response(body)

    return app


GOOD_FILE = {"name": "posterior.h5", "nbytes": 4, "sha256": hashlib.sha256(b"good").hexdigest()}


@pytest.mark.parametrize(
    "change",
    [
        {"name": "../outside"},
        {"name": "/etc/passwd"},
        {"name": ".bashrc"},
        {"name": "a/b"},
        {"nbytes": -1},
        {"sha256": "../../x"},
        {"sha256": None},
        {"nbytes": "many"},
    ],
)
def test_a_hostile_list_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, object]
) -> None:
    with served(hostile([GOOD_FILE | change], b"good")) as url:
        assert get(url, tmp_path / "out") == 2
    assert "does not answer like an OpenAstro@home project" in capsys.readouterr().err
    assert not (tmp_path / "outside").exists()


def test_other_bytes_than_announced_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with served(hostile([GOOD_FILE], b"evil")) as url:
        assert get(url, tmp_path) == 2
    assert "nothing of it was kept" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_more_bytes_than_announced_are_not_read(tmp_path: Path) -> None:
    with served(hostile([GOOD_FILE], b"good" + b"x" * 1000)) as url:
        assert get(url, tmp_path) == 0
    assert (tmp_path / "posterior.h5").read_bytes() == b"good"


def test_fewer_bytes_than_announced_are_asked_for_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with served(hostile([GOOD_FILE], b"go")) as url:
        assert get(url, tmp_path) == 2
    told = capsys.readouterr()
    assert "broke off 2 bytes before its end" in told.out
    assert "ignores ranges" in told.err


def test_a_server_of_something_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    app = Flask("something else")
    app.add_url_rule("/<path:path>", view_func=lambda path: "<html>Welcome</html>")
    with served(app) as url:
        assert get(url, tmp_path) == 2
    assert "is the address right?" in capsys.readouterr().err


def test_an_errors_words_cannot_steer_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    app = Flask("hostile")
    body = json.dumps({"error": {"message": "\x1b[2Jgone"}})
    app.add_url_rule("/<path:path>", view_func=lambda path: (body, 404))
    with served(app) as url:
        assert get(url, tmp_path) == 2
    assert "\x1b" not in capsys.readouterr().err


def test_a_server_from_before_reports_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with served(hostile([GOOD_FILE], b"good")) as url:
        assert get(url, tmp_path / "out") == 0
    told = " ".join(capsys.readouterr().out.split())
    assert NO_REPORT in told
    assert "product version 1 (no report)" in told
    assert "converged" not in told


def test_a_report_has_its_own_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = Report("All 5 frames are in.", "5 frames", words=(Word("all frames in", True),))
    fields = {"kind": "image", "verdict": None, "report": report.to_plain()}
    with served(hostile([GOOD_FILE], b"good", **fields)) as url:
        assert get(url, tmp_path / "out") == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "product version 1 (all frames in)" in told
    assert "all frames in: yes All 5 frames are in." in told
    assert "verdict" not in told


@pytest.mark.parametrize(
    "report",
    [
        {"outcome": "\x1b[31mgood", "criteria": [{"name": "\x1b[31m"}]},
        {"words": [{"name": "\x1b[2Jsampled", "holds": "yes"}, 7]},
        {"criteria": [{"met": "yes", "sentence": "\x1b[31m", "value": "\x1b"}]},
    ],
)
def test_a_hostile_report_is_no_success_and_steers_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], report: object
) -> None:
    missing = ["\x1b[2Jgone"]
    with served(hostile([GOOD_FILE], b"good", report=report, missing=missing)) as url:
        assert get(url, tmp_path / "out") == 0
    told = capsys.readouterr().out
    assert "criteria not met" in told or "not [2Jsampled" in told
    assert "[2Jgone" in told
    assert "\x1b" not in told


@pytest.mark.parametrize("report", ["\x1b[31mgood", 7, None])
def test_what_is_no_report_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], report: object
) -> None:
    with served(hostile([GOOD_FILE], b"good", report=report)) as url:
        assert get(url, tmp_path / "out") == 0
    told = capsys.readouterr().out
    assert "no report" in told
    assert "\x1b" not in told
