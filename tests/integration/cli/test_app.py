from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from boinc_project import signing


def _rows(project: Path, query: str) -> list[tuple]:
    with sqlite3.connect(project / "project.sqlite") as connection:
        rows = connection.execute(query).fetchall()
    connection.close()
    return rows


def _nothing_published(project: Path) -> None:
    assert _rows(project, "select count(*) from app_version") == [(0,)]
    assert list((project / "download").iterdir()) == []
    assert list((project / "apps").iterdir()) == []


def test_a_signed_app_is_published_and_its_signatures_are_what_the_client_checks(
    run, project, signing_key, build
):
    directory = build()
    assert run("app", "sign", directory, "--key", signing_key).returncode == 0
    done = run("--project", project, "app", "publish", directory)
    assert done.returncode == 0, done.stderr
    assert "ttv_mcmc_100_x86_64-pc-linux-gnu is published" in done.stdout

    key = signing.load_public_key(project / "keys" / "code_sign_public")
    rows = _rows(
        project,
        "select name, open_name, main_program, executable, nbytes, md5, signature "
        "from app_version_file order by id",
    )
    assert [row[:4] for row in rows] == [
        ("ttv_mcmc_100_x86_64-pc-linux-gnu", "", 1, 1),
        ("ttv_mcmc_100.tar.gz", "ttv_mcmc_100.tar.gz", 0, 0),
    ]
    for name, _, _, _, nbytes, md5, signature in rows:
        data = (project / "download" / name).read_bytes()
        assert data == (directory / name).read_bytes()
        assert len(data) == nbytes
        assert signing.verify_md5(md5, signature, key)
        assert signing.verify(data, signature, key)
    archived = {path.name for path in (project / "apps").glob("*/*")}
    assert archived == {path.name for path in directory.iterdir()}
    assert "1.00" in run("--project", project, "app", "list").stdout


def test_publishing_the_same_again_changes_nothing(run, project, signing_key, build):
    directory = build()
    run("app", "sign", directory / "manifest.json", "--key", signing_key)
    assert run("--project", project, "app", "publish", directory).returncode == 0
    again = run("--project", project, "app", "publish", directory)
    assert again.returncode == 0
    assert "published before, unchanged" in again.stdout
    assert _rows(project, "select count(*) from app_version") == [(1,)]
    assert _rows(project, "select count(*) from app_version_file") == [(2,)]


def test_publish_can_be_repeated_after_a_kill_between_files_and_rows(
    run, project, signing_key, build
):
    directory = build()
    run("app", "sign", directory, "--key", signing_key)
    # What a publish leaves that was killed after its first file.
    name = "ttv_mcmc_100.tar.gz"
    shutil.copy(directory / name, project / "download" / name)
    assert run("--project", project, "app", "publish", directory).returncode == 0
    assert _rows(project, "select count(*) from app_version_file") == [(2,)]


def test_an_unsigned_app_isrefused(refused, run, project, build):
    refused(
        run("--project", project, "app", "publish", build()),
        "is not signed",
        "openastro app sign",
    )
    _nothing_published(project)


def test_an_app_with_one_signature_missing_isrefused(refused, run, project, signing_key, build):
    directory = build()
    run("app", "sign", directory, "--key", signing_key)
    (directory / "ttv_mcmc_100.tar.gz.sig").unlink()
    refused(
        run("--project", project, "app", "publish", directory),
        "ttv_mcmc_100.tar.gz is not signed",
    )
    _nothing_published(project)


def test_a_changed_file_is_refused_even_with_a_changed_manifest(
    refused, run, project, signing_key, build
):
    directory = build()
    run("app", "sign", directory, "--key", signing_key)
    archive = directory / "ttv_mcmc_100.tar.gz"
    archive.write_bytes(b"something else!!")
    refused(
        run("--project", project, "app", "publish", directory),
        "is not the file that manifest.json describes",
    )
    signatures = {path.name: path.read_bytes() for path in directory.glob("*.sig")}
    build(archive=archive.read_bytes())  # the manifest now tells the new digest
    for name, data in signatures.items():
        (directory / name).write_bytes(data)
    refused(run("--project", project, "app", "publish", directory), "changed after it was signed")
    _nothing_published(project)


def test_a_changed_manifest_alone_isrefused(refused, run, project, signing_key, build):
    directory = build()
    run("app", "sign", directory, "--key", signing_key)
    manifest = json.loads((directory / "manifest.json").read_text())
    manifest["files"][1]["executable"] = True
    (directory / "manifest.json").write_text(json.dumps(manifest))
    refused(
        run("--project", project, "app", "publish", directory),
        "manifest.json was changed after it was signed",
    )
    _nothing_published(project)


def test_a_file_with_a_valid_signature_of_another_file_isrefused(
    refused, run, project, signing_key, build
):
    directory = build()
    run("app", "sign", directory, "--key", signing_key)
    shutil.copy(
        directory / "ttv_mcmc_100_x86_64-pc-linux-gnu.sig", directory / "ttv_mcmc_100.tar.gz.sig"
    )
    refused(run("--project", project, "app", "publish", directory), "changed after it was signed")
    _nothing_published(project)


def test_a_signature_by_another_key_isrefused(refused, run, project, build, tmp_path):
    directory = build()
    assert run("app", "keygen", tmp_path / "other").returncode == 0
    run("app", "sign", directory, "--key", tmp_path / "other" / "code_sign_private")
    refused(run("--project", project, "app", "publish", directory), "signed with another key")
    _nothing_published(project)


def test_the_same_names_with_other_bytes_arerefused(refused, run, project, signing_key, build):
    first = build()
    run("app", "sign", first, "--key", signing_key)
    assert run("--project", project, "app", "publish", first).returncode == 0
    second = build(archive=b"new bytes", where="second")
    run("app", "sign", second, "--key", signing_key)
    refused(run("--project", project, "app", "publish", second), "raise its version")
    third = build(archive=b"new bytes", where="third", platform="aarch64-unknown-linux-gnu")
    run("app", "sign", third, "--key", signing_key)
    refused(
        run("--project", project, "app", "publish", third),
        "ttv_mcmc_100",
        "published before with other bytes",
    )
    assert (project / "download" / "ttv_mcmc_100.tar.gz").read_bytes() == b"not really a tar"
    assert _rows(project, "select count(*) from app_version") == [(1,)]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"app": "../evil"}, "app"),
        ({"version_num": 0}, "version_num"),
        ({"version_num": "100"}, "version_num"),
        ({"platform": "a b"}, "platform"),
        ({"plan_class": "my_cuda"}, "special hardware"),
        ({"colour": "blue"}, "colour"),
        ({"flops": float("nan")}, "flops"),
        ({"files": []}, "files"),
    ],
)
def test_a_manifest_that_is_not_well_formed_names_the_key(
    refused, run, project, signing_key, build, changes, words
):
    directory = build(**changes)
    refused(run("app", "sign", directory, "--key", signing_key), "manifest.json", words)
    refused(run("--project", project, "app", "publish", directory), "manifest.json", words)
    _nothing_published(project)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "../../etc/passwd"}, "not allowed"),
        ({"name": "sub/file"}, "not allowed"),
        ({"name": "manifest.json"}, "signing itself uses"),
        ({"main_program": True, "executable": True}, "exactly one file must be the main program"),
        ({"sha256": "xyz"}, "sha256"),
        ({"nbytes": -1}, "nbytes"),
        ({"nbytes": 1}, "is not the file that manifest.json describes"),
        ({"name": "absent"}, "is missing"),
        ({"name": "ttv_mcmc_100_x86_64-pc-linux-gnu"}, "two files have the name"),
    ],
)
def test_a_manifest_with_a_bad_file_entry_isrefused(
    refused, run, project, signing_key, build, change, words
):
    directory = build()
    manifest = json.loads((directory / "manifest.json").read_text())
    manifest["files"][1].update(change)
    (directory / "manifest.json").write_text(json.dumps(manifest))
    refused(run("app", "sign", directory, "--key", signing_key), words)
    assert not list(directory.glob("*.sig"))


def test_a_symbolic_link_is_not_a_build_file(refused, run, signing_key, build, project, tmp_path):
    directory = build()
    archive = directory / "ttv_mcmc_100.tar.gz"
    (tmp_path / "elsewhere").write_bytes(archive.read_bytes())
    archive.unlink()
    archive.symlink_to(tmp_path / "elsewhere")
    refused(run("app", "sign", directory, "--key", signing_key), "not a regular file")


def test_a_main_program_that_is_not_executable_isrefused(refused, run, signing_key, build, project):
    directory = build()
    manifest = json.loads((directory / "manifest.json").read_text())
    manifest["files"][0]["executable"] = False
    (directory / "manifest.json").write_text(json.dumps(manifest))
    refused(run("app", "sign", directory, "--key", signing_key), "must be an executable")


def test_what_is_no_build_directory_is_named(refused, run, project, signing_key, tmp_path):
    (tmp_path / "empty").mkdir()
    for command in (
        ("app", "sign", tmp_path / "empty", "--key", signing_key),
        ("--project", project, "app", "publish", tmp_path / "empty"),
    ):
        refused(run(*command), "manifest.json cannot be read", "packaging/build.py")
    (tmp_path / "empty" / "manifest.json").write_bytes(b"\xff not json")
    refused(run("--project", project, "app", "publish", tmp_path / "empty"), "manifest.json")


def test_signing_wants_a_private_key(refused, run, project, build, tmp_path):
    directory = build()
    refused(
        run("app", "sign", directory, "--key", tmp_path / "off-line" / "code_sign_public"),
        "public key; signing needs the private one",
    )
    refused(run("app", "sign", directory, "--key", tmp_path / "nowhere"), "no key file")


def test_keys_are_never_made_inside_a_project_nor_over_others(refused, run, project, tmp_path):
    refused(run("app", "keygen", project / "keys"), "inside the project")
    refused(run("app", "keygen", project), "inside the project")
    refused(run("app", "keygen", tmp_path / "off-line"), "already exists")
    (tmp_path / "file").touch()
    refused(run("app", "keygen", tmp_path / "file" / "below"), "cannot hold the key")


def test_a_project_without_a_key_says_how_to_get_one_and_can_be_given_it(
    refused, run, project, signing_key, build, tmp_path
):
    trusted = project / "keys" / "code_sign_public"
    trusted.unlink()
    directory = build()
    run("app", "sign", directory, "--key", signing_key)
    refused(run("--project", project, "app", "publish", directory), "openastro app keygen")
    public = tmp_path / "off-line" / "code_sign_public"
    done = run("--project", project, "app", "publish", directory, "--public-key", public)
    assert done.returncode == 0
    assert trusted.read_bytes() == public.read_bytes()
    run("app", "keygen", tmp_path / "other")
    refused(
        run(
            *("--project", project, "app", "publish", directory),
            *("--public-key", tmp_path / "other" / "code_sign_public"),
        ),
        "trusts another code-signing key",
    )


def test_how_alike_computers_must_be(run, project, signing_key, build):
    directory = build()
    run("app", "sign", directory, "--key", signing_key)
    run("--project", project, "app", "publish", directory)
    done = run("--project", project, "app", "alike", "ttv_mcmc", "--redundancy", "coarse")
    assert done.returncode == 0, done.stderr
    columns = "select homogeneous_redundancy, homogeneous_app_version from app"
    assert _rows(project, columns) == [(2, 0)]
    run("--project", project, "app", "alike", "ttv_mcmc", "--one-version")
    assert _rows(project, columns) == [(0, 1)]
    wrong = run("--project", project, "app", "alike", "ttv_mcmc", "--redundancy", "some")
    assert wrong.returncode == 2
    assert "write none, fine, coarse" in wrong.stderr
    assert "no app nothing" in run("--project", project, "app", "alike", "nothing").stderr
