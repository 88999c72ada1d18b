from __future__ import annotations

import http.client

import pytest
from flask.testing import FlaskClient

from boinc_project.errors import InputError, MalformedRequest
from server.services.files import DownloadStore

DATA = bytes(range(256)) * 40  # 10240 bytes, no two positions of a period alike


@pytest.fixture
def store(settings) -> DownloadStore:
    return DownloadStore(settings.path("download"), settings.files.fanout)


@pytest.fixture
def url(store: DownloadStore) -> str:
    store.add("wu7_in", DATA)
    return "/download/" + store.url_path("wu7_in")


def test_a_whole_file_comes_with_its_length_and_may_be_cached_for_ever(
    client: FlaskClient, url: str
) -> None:
    assert url == "/download/1f6/wu7_in"
    reply = client.get(url, buffered=True)
    assert reply.status_code == 200
    assert reply.data == DATA
    assert reply.headers["Content-Length"] == str(len(DATA))
    assert reply.headers["Accept-Ranges"] == "bytes"
    assert "immutable" in reply.headers["Cache-Control"]
    assert "Content-Encoding" not in reply.headers


@pytest.mark.parametrize(
    ("wanted", "first", "end"),
    [
        ("bytes=4000-", 4000, len(DATA)),
        ("bytes=0-", 0, len(DATA)),
        ("bytes=0-0", 0, 1),
        ("bytes=100-199", 100, 200),
        ("bytes=10239-", 10239, 10240),
        ("bytes=-5", len(DATA) - 5, len(DATA)),
        ("bytes=10000-999999", 10000, len(DATA)),
    ],
)
def test_a_client_resumes_with_a_range(
    client: FlaskClient, url: str, wanted: str, first: int, end: int
) -> None:
    reply = client.get(url, headers={"Range": wanted}, buffered=True)
    assert reply.status_code == 206
    assert reply.data == DATA[first:end]
    assert reply.headers["Content-Range"] == f"bytes {first}-{end - 1}/{len(DATA)}"
    assert reply.headers["Content-Length"] == str(end - first)


@pytest.mark.parametrize("wanted", ["bytes=10240-", "bytes=999999-1000000"])
def test_a_range_beyond_the_end_is_416(client: FlaskClient, url: str, wanted: str) -> None:
    reply = client.get(url, headers={"Range": wanted}, buffered=True)
    assert reply.status_code == 416
    assert reply.headers["Content-Range"] == f"bytes */{len(DATA)}"


@pytest.mark.parametrize(
    "wanted", ["lines=1-2", "bytes=0-1,5-6", "bytes=b-a", "bytes", "bytes=9-3", "", "=", "bytes=-"]
)
def test_a_range_that_is_not_understood_is_ignored(
    client: FlaskClient, url: str, wanted: str
) -> None:
    reply = client.get(url, headers={"Range": wanted}, buffered=True)
    assert reply.status_code == 200
    assert reply.data == DATA


def test_compression_is_never_applied(client: FlaskClient, url: str) -> None:
    reply = client.get(url, headers={"Accept-Encoding": "deflate, gzip, br"}, buffered=True)
    assert "Content-Encoding" not in reply.headers
    assert reply.data == DATA


def test_head_tells_the_length_without_the_bytes(client: FlaskClient, url: str) -> None:
    reply = client.head(url, buffered=True)
    assert reply.status_code == 200
    assert reply.headers["Content-Length"] == str(len(DATA))
    assert reply.data == b""


def test_application_files_lie_in_the_root(client: FlaskClient, store: DownloadStore) -> None:
    store.add_application_file("ttv_mcmc_100.tar.gz", b"archive")
    assert client.get("/download/ttv_mcmc_100.tar.gz", buffered=True).data == b"archive"


def test_an_empty_file_can_be_downloaded(client: FlaskClient, store: DownloadStore) -> None:
    store.add("empty", b"")
    reply = client.get("/download/" + store.url_path("empty"), buffered=True)
    assert (reply.status_code, reply.data) == (200, b"")


TRICKS = [
    "/download/",
    "/download/nothing",
    "/download/1f6",
    "/download/1f6/",
    "/download/0/wu7_in",  # a real file, another directory
    "/download/wu7_in",
    "/download//1f6/wu7_in",
    "/download/./1f6/wu7_in",
    "/download/1f6/../1f6/wu7_in",
    "/download/../openastro.toml",
    "/download/../keys/upload_private",
    "/download/1f6/../../keys/upload_private",
    "/download/%2e%2e/keys/upload_private",
    "/download/..%2fkeys%2fupload_private",
    "/download/1f6%2fwu7_in%00",
    "/download/1f6/wu7_in%00.txt",
    "/download/%2fetc%2fpasswd",
    "/download//etc/passwd",
    "/download/.new-secret",
    "/download/1f6/wu7_in/",
    "/download/1f6/wu7_in/x",
    "/download/ " + "x" * 3000,
    "/download/%ff%fe",
    "/download/..\\keys\\upload_private",
]


@pytest.mark.parametrize("path", TRICKS)
def test_no_path_trick_finds_anything(client: FlaskClient, store, url: str, path: str) -> None:
    (store.root / ".new-secret").write_bytes(b"half a file")
    reply = client.get(path, buffered=True)
    assert reply.status_code == 404
    assert reply.headers["Cache-Control"] == "no-store"
    assert len(reply.data) < 500


def test_no_path_trick_passes_the_real_web_server(web, store, url: str) -> None:
    # A client library would clean these paths before it sends them.
    for path in TRICKS:
        connection = http.client.HTTPConnection(*web.address, timeout=30)
        connection.putrequest("GET", path.replace(" ", ""), skip_host=False)
        connection.endheaders()
        assert connection.getresponse().status in (400, 404), path
        connection.close()
    connection = http.client.HTTPConnection(*web.address, timeout=30)
    connection.request("GET", url, headers={"Range": "bytes=10000-"})
    reply = connection.getresponse()
    assert (reply.status, reply.read()) == (206, DATA[10000:])
    connection.close()


def test_symbolic_links_and_directories_are_not_files(client, store, settings) -> None:
    (store.root / "link").symlink_to(settings.path("keys") / "upload_private")
    (store.root / "directory").mkdir()
    assert client.get("/download/link", buffered=True).status_code == 404
    assert client.get("/download/directory", buffered=True).status_code == 404


def test_only_get_is_answered(client: FlaskClient, url: str) -> None:
    for method in (client.post, client.put, client.delete):
        reply = method(url)
        assert reply.status_code == 405
        assert "GET" in reply.headers["Allow"]


# The store


def test_the_same_bytes_may_be_stored_again_and_other_bytes_may_not(store) -> None:
    first = store.add("in", b"abc")
    assert store.add("in", b"abc") == first
    assert (first.nbytes, first.md5) == (3, "900150983cd24fb0d6963f7d28e17f72")
    with pytest.raises(InputError, match="give the new file a new name"):
        store.add("in", b"abd")
    assert store.path("in").read_bytes() == b"abc"


def test_a_file_is_there_whole_or_not_at_all(store, monkeypatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("server.services.files.os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        store.add("in", b"abc")
    monkeypatch.undo()
    assert list(store.path("in").parent.iterdir()) == []
    assert store.add("in", b"abc").path.read_bytes() == b"abc"


def test_removing_what_is_gone_is_no_error(store) -> None:
    store.add("in", b"abc")
    store.remove("in")
    store.remove("in")
    assert not store.path("in").exists()
    with pytest.raises(MalformedRequest):
        store.remove("../../keys/upload_private")
