from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from boinc_project.errors import MalformedRequest
from boinc_project.fanout import check_file_name, fanout_directory, fanout_path, fanout_url_path


def test_the_directory_is_the_one_boinc_uses() -> None:
    # The example of BOINC's own rule: seven hexadecimal digits, from index 1.
    assert fanout_directory("wu7_in", 1024) == "1f6"
    md5 = hashlib.md5(b"kepler-9_g0_u003").hexdigest()
    assert fanout_directory("kepler-9_g0_u003", 1024) == f"{int(md5[1:8], 16) % 1024:x}"
    assert fanout_directory("anything", 1) == "0"


def test_directories_are_not_padded_and_spread() -> None:
    seen = {fanout_directory(f"wu_{i}", 16) for i in range(400)}
    assert seen == set("0123456789abcdef")


def test_the_path_and_the_url_agree(tmp_path: Path) -> None:
    assert fanout_path(tmp_path, "wu7_in", 1024) == tmp_path / "1f6" / "wu7_in"
    assert fanout_url_path("wu7_in", 1024) == "1f6/wu7_in"


@pytest.mark.parametrize(
    "name",
    [
        *["", ".", "..", "../x", "a/b", "a\\b", ".hidden", "-rf", "a..b", "a b", "a\n", "a\x00"],
        *[
            "a%2e",
            "é",
            "x" * 255,
            "/etc/passwd",
            "a<b",
            "a&b",
            "a:b",
            "~root",
            "a\u202eb",
            "\udcff",
        ],
    ],
)
def test_tricky_names_are_refused_everywhere(name: str, tmp_path: Path) -> None:
    for use in (
        lambda: check_file_name(name),
        lambda: fanout_path(tmp_path, name, 1024),
        lambda: fanout_url_path(name, 1024),
    ):
        with pytest.raises(MalformedRequest) as caught:
            use()
        caught.value.message.encode()  # the sentence itself can always be sent


@pytest.mark.parametrize("name", ["a", "x" * 254, "wu_1.h5", "ttv_mcmc_100_x86_64-pc-linux-gnu"])
def test_ordinary_names_pass(name: str) -> None:
    assert check_file_name(name) == name
