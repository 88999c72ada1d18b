"""Product files: ranges, validators, digests, and never a file from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import os

import pytest
from flask.testing import FlaskClient

from server.models import CampaignRow
from tests.integration.api.conftest import POSTERIOR
from tests.web_site import Site

PATH = "/api/v1/campaigns/kepler-9/product/posterior.h5"
SHA256 = hashlib.sha256(POSTERIOR).hexdigest()


@pytest.fixture
def client(site: Site, campaign: CampaignRow) -> FlaskClient:
    return site.app.test_client()


def test_the_list_names_sizes_and_digests(client: FlaskClient) -> None:
    body = client.get("/api/v1/campaigns/kepler-9/product").get_json()
    assert body["version"] == 2
    assert body["digest"] == "e" * 64
    files = {file["name"]: file for file in body["files"]}
    assert set(files) == {"posterior.h5", "summary.json"}
    posterior = files["posterior.h5"]
    assert (posterior["nbytes"], posterior["sha256"]) == (len(POSTERIOR), SHA256)
    assert client.get(posterior["url"], buffered=True).data == POSTERIOR


def test_the_whole_file_with_its_digest(client: FlaskClient) -> None:
    answer = client.get(PATH, buffered=True)
    assert answer.status_code == 200
    assert answer.data == POSTERIOR
    assert answer.content_length == len(POSTERIOR)
    assert answer.mimetype == "application/x-hdf5"
    assert answer.headers["ETag"] == f'"{SHA256}"'
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["X-Content-SHA256"] == SHA256
    digest = base64.b64decode(answer.headers["Repr-Digest"].removeprefix("sha-256=:")[:-1])
    assert digest == hashlib.sha256(answer.data).digest()
    assert answer.headers["Last-Modified"]
    assert answer.headers["Cache-Control"] == "no-cache"


def test_head_tells_the_same_without_the_bytes(client: FlaskClient) -> None:
    answer = client.head(PATH, buffered=True)
    assert answer.status_code == 200
    assert answer.content_length == len(POSTERIOR)
    assert answer.headers["ETag"] == f'"{SHA256}"'
    assert answer.data == b""


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [("100-199", 100, 200), ("16000-", 16000, 16384), ("-10", 16374, 16384), ("0-0", 0, 1)],
)
def test_ranges(client: FlaskClient, asked: str, start: int, stop: int) -> None:
    answer = client.get(PATH, headers={"Range": f"bytes={asked}"}, buffered=True)
    assert answer.status_code == 206
    assert answer.data == POSTERIOR[start:stop]
    assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(POSTERIOR)}"
    assert answer.headers["X-Content-SHA256"] == SHA256


def test_a_range_behind_the_end_is_refused_with_the_size(client: FlaskClient) -> None:
    answer = client.get(PATH, headers={"Range": "bytes=16384-"}, buffered=True)
    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == f"bytes */{len(POSTERIOR)}"
    assert answer.get_json()["error"]["status"] == 416


def test_several_ranges_at_once_give_the_whole(client: FlaskClient) -> None:
    answer = client.get(PATH, headers={"Range": "bytes=0-1,5-6"}, buffered=True)
    assert (answer.status_code, answer.data) == (200, POSTERIOR)


def test_what_is_known_is_not_sent_again(client: FlaskClient) -> None:
    first = client.get(PATH, buffered=True)
    for header, value in (
        ("If-None-Match", first.headers["ETag"]),
        ("If-Modified-Since", first.headers["Last-Modified"]),
    ):
        again = client.get(PATH, headers={header: value}, buffered=True)
        assert (again.status_code, again.data) == (304, b""), header


def test_a_resumed_download_never_mixes_two_versions(site: Site, client: FlaskClient) -> None:
    etag = client.get(PATH, buffered=True).headers["ETag"]
    resume = {"Range": "bytes=100-", "If-Range": etag}
    assert client.get(PATH, headers=resume, buffered=True).status_code == 206
    newer = POSTERIOR[::-1]
    site.product_file("kepler-9", "posterior.h5", newer)
    answer = client.get(PATH, headers=resume, buffered=True)
    assert (answer.status_code, answer.data) == (200, newer)
    assert answer.headers["ETag"] == f'"{hashlib.sha256(newer).hexdigest()}"'


def test_an_address_with_the_digest_is_for_ever(site: Site, client: FlaskClient) -> None:
    pinned = f"{PATH}?sha256={SHA256}"
    assert "immutable" in client.get(pinned, buffered=True).headers["Cache-Control"]
    site.product_file("kepler-9", "posterior.h5", b"another version")
    answer = client.get(pinned, buffered=True)
    assert answer.status_code == 410
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.get_json()["error"]["message"] == (
        "posterior.h5 was replaced by a newer version of the product."
    )


def test_a_digest_is_of_the_bytes_and_not_of_the_name(site: Site, client: FlaskClient) -> None:
    """Equal size and time, other bytes: only the inode tells, and it must."""
    client.get(PATH, buffered=True)
    old = site.products / "kepler-9" / "posterior.h5"
    times = (old.stat().st_atime_ns, old.stat().st_mtime_ns)
    new = site.product_file("kepler-9", "posterior.h5", POSTERIOR[::-1])
    os.utime(new, ns=times)
    answer = client.get(PATH, buffered=True)
    assert answer.headers["X-Content-SHA256"] == hashlib.sha256(answer.data).hexdigest()


@pytest.mark.parametrize(
    "name",
    [
        "..%2f..%2fkeys%2fsession_key",
        "%2e%2e",
        "..%5c..%5ckeys",
        ".hidden.h5",
        "link.h5",
        "directory",
        "fifo",
        "posterior.h5%00.png",
        "x" * 300,
    ],
)
def test_nothing_from_elsewhere(site: Site, client: FlaskClient, name: str) -> None:
    directory = site.products / "kepler-9"
    (directory / ".hidden.h5").write_bytes(b"being written")
    (directory / "link.h5").symlink_to(site.settings.path("keys") / "session_key")
    (directory / "directory").mkdir()
    os.mkfifo(directory / "fifo")
    answer = client.get(f"/api/v1/campaigns/kepler-9/product/{name}", buffered=True)
    assert answer.status_code == 404
    assert b"a key for tests" not in answer.data
    listed = client.get("/api/v1/campaigns/kepler-9/product").get_json()["files"]
    assert [file["name"] for file in listed] == ["posterior.h5", "summary.json"]


def test_a_directory_that_is_no_campaign_is_not_served(site: Site, client: FlaskClient) -> None:
    site.product_file("private", "posterior.h5", b"secret")
    assert client.get("/api/v1/campaigns/private/product/posterior.h5").status_code == 404
