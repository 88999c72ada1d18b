from __future__ import annotations

import os
import sqlite3
import stat
import tomllib
from pathlib import Path

import pytest

from boinc_project import signing
from boinc_project.settings import load_settings


def test_a_new_project_has_all_it_needs(run, tmp_path: Path) -> None:
    directory = tmp_path / "sky"
    done = run("init", directory, "--url", "http://127.0.0.1:8099/", "--name", 'Sky "1"')
    assert done.returncode == 0, done.stderr
    assert "openastro app keygen" in done.stdout  # what to do next
    settings = load_settings(directory / "openastro.toml")
    assert settings.project.url == "http://127.0.0.1:8099/"
    assert settings.project.name == 'Sky "1"'
    assert settings.web.bind == "127.0.0.1:8099"
    for name in ("download", "upload", "products", "apps"):
        assert (directory / name).is_dir()
    private = signing.load_private_key(directory / "keys" / "upload_private")
    assert signing.load_public_key(directory / "keys" / "upload_public") == private.public
    assert not list(directory.rglob("code_sign*"))
    for name in ("upload_private", "session_key"):
        assert stat.S_IMODE((directory / "keys" / name).stat().st_mode) == 0o600
    assert stat.S_IMODE((directory / "keys").stat().st_mode) == 0o700
    with sqlite3.connect(directory / "project.sqlite") as connection:
        assert connection.execute("select count(*) from alembic_version").fetchone() == (1,)
        assert connection.execute("pragma journal_mode").fetchone() == ("wal",)
    connection.close()


def test_repeating_changes_nothing(run, project: Path) -> None:
    def snapshot() -> dict[str, bytes]:
        return {
            str(path): path.read_bytes()
            for path in project.rglob("*")
            if path.is_file() and "sqlite" not in path.name
        }

    before = snapshot()
    done = run("init", project)
    assert done.returncode == 0, done.stderr
    assert snapshot() == before


def test_repeating_mends_what_is_missing(run, project: Path) -> None:
    public = (project / "keys" / "upload_public").read_bytes()
    (project / "keys" / "upload_public").unlink()
    (project / "keys" / "session_key").unlink()
    (project / "products").rmdir()
    (project / "project.sqlite").unlink()
    assert run("init", project).returncode == 0
    assert (project / "keys" / "upload_public").read_bytes() == public
    assert len((project / "keys" / "session_key").read_bytes()) == 32
    assert (project / "products").is_dir()
    assert (project / "project.sqlite").exists()


def test_another_url_for_an_existing_project_is_refused(run, project: Path, refused) -> None:
    done = run("init", project, "--url", "https://other.example.org/")
    refused(done, "project.url", "edit the file")
    done = run("init", project, "--bind", "127.0.0.1:1")
    refused(done, "web.bind")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://localhost:8080/", "127.0.0.1"),
        ("https://Sky.example.org/", "lower case"),
        ("https://sky.example.org", "must end in /"),
        ("ftp://sky.example.org/", "http(s)"),
        ("sky.example.org/", "http(s)"),
        ("http://127.0.0.1:notaport/", "port"),
        ("http://127.0.0.1:99999/", "port"),
    ],
)
def test_a_bad_url_is_refused_before_anything_is_written(
    run, tmp_path: Path, refused, url: str, words: str
) -> None:
    refused(run("init", tmp_path / "sky", "--url", url), words)
    assert not (tmp_path / "sky" / "openastro.toml").exists()


def test_a_name_with_control_characters_is_refused(run, tmp_path: Path, refused) -> None:
    refused(run("init", tmp_path / "sky", "--name", "a\nb = 1"), "control character")
    assert not (tmp_path / "sky" / "openastro.toml").exists()


def test_a_public_server_listens_behind_its_proxy(run, tmp_path: Path) -> None:
    run("init", tmp_path / "sky", "--url", "https://sky.example.org/")
    raw = tomllib.loads((tmp_path / "sky" / "openastro.toml").read_text())
    assert raw["web"]["bind"] == "127.0.0.1:8080"


def test_signing_keys_stay_out_of_the_project_and_the_warning_is_plain(
    run, tmp_path: Path, refused
) -> None:
    directory = tmp_path / "sky"
    refused(run("init", directory, "--signing-keys", directory / "keys"), "outside of it")
    assert not list(directory.rglob("code_sign*"))
    done = run("init", directory, "--signing-keys", tmp_path / "off-line")
    assert done.returncode == 0
    assert "Warning" in done.stderr
    assert "off-line" in done.stderr
    public = signing.load_private_key(tmp_path / "off-line" / "code_sign_private").public
    assert signing.load_public_key(directory / "keys" / "code_sign_public") == public
    assert not list(directory.rglob("*code_sign_private*"))
    refused(
        run("init", directory, "--signing-keys", tmp_path / "second"), "trusts another code-signing"
    )
    assert run("init", directory, "--signing-keys", tmp_path / "off-line").returncode == 0


def test_a_lost_private_upload_key_is_not_replaced_silently(run, project: Path, refused) -> None:
    (project / "keys" / "upload_private").unlink()
    refused(run("init", project), "restore it from a backup")


def test_a_place_that_cannot_be_a_project_is_named(run, tmp_path: Path, refused) -> None:
    (tmp_path / "file").touch()
    refused(run("init", tmp_path / "file" / "sky"), "cannot be made a project")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[project\n", "not valid TOML"),
        ("[projcet]\nname = 'x'\n", "projcet"),
        ("[web]\nthreads = 0\n", "web.threads"),
        ("[web]\nthreads = 'many'\n", "web.threads"),
        ("[scheduler]\nreqest_delay = 5\n", "scheduler.reqest_delay"),
        ("[project]\nurl = 'http://localhost/'\n", "project.url"),
    ],
)
def test_a_mistake_in_the_settings_names_file_and_key(
    run, project: Path, refused, text: str, words: str
) -> None:
    (project / "openastro.toml").write_text(text)
    for command in (("init", project), ("--project", project, "serve")):
        refused(run(*command), "openastro.toml", words)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense", "database.url cannot be used"),
        ("mysql://a:secret@b/c", "database.url cannot be used"),
        ("oracle9://x", "database.url cannot be used"),
        ("sqlite:///no/such/directory/x.sqlite", "unable to open database file"),
        ("postgresql+psycopg://sky:secret@127.0.0.1:1/sky", "127.0.0.1:1/sky cannot be used"),
    ],
)
def test_a_database_that_cannot_be_used_is_named_without_its_password(
    run, project: Path, refused, url: str, words: str
) -> None:
    path = project / "openastro.toml"
    path.write_text(path.read_text().replace("sqlite:///project.sqlite", url))
    done = run("init", project)
    refused(done, words)
    assert "secret" not in done.stderr


def test_settings_that_cannot_be_read_are_named(run, tmp_path: Path, refused) -> None:
    (tmp_path / "file").touch()
    refused(run("--project", tmp_path / "file", "app", "list"), "openastro.toml cannot be read")
    (tmp_path / "odd" / "openastro.toml").mkdir(parents=True)
    refused(run("--project", tmp_path / "odd", "app", "list"), "openastro.toml cannot be read")
    (tmp_path / "odd2").mkdir()
    (tmp_path / "odd2" / "openastro.toml").write_bytes(b"\xff\xfe")
    refused(run("--project", tmp_path / "odd2", "app", "list"), "not valid TOML")


def test_the_project_may_be_named_anywhere_or_by_the_environment(
    run, project: Path, monkeypatch: pytest.MonkeyPatch, refused
) -> None:
    listing = run("--project", project, "app", "list")
    assert listing.returncode == 0, listing.stderr
    assert run("app", "list", "--project", project).stdout == listing.stdout
    assert run("app", "list", f"--project={project}").stdout == listing.stdout
    monkeypatch.setenv("OPENASTRO_PROJECT", str(project))
    assert run("app", "list").stdout == listing.stdout
    monkeypatch.delenv("OPENASTRO_PROJECT")
    monkeypatch.chdir(project.parent)
    refused(run("app", "list"), "openastro init", "--project")
    monkeypatch.chdir(project)
    assert run("app", "list").stdout == listing.stdout


def test_a_setting_from_the_environment_wins(run, project: Path, monkeypatch, refused) -> None:
    monkeypatch.setenv("OPENASTRO_WEB__THREADS", "0")
    refused(run("--project", project, "app", "list"), "web.threads")


def test_a_wrong_command_is_a_usage_error_without_traceback(run) -> None:
    for arguments in (("nonsense",), ("app", "sign"), ("init", "--colour", "blue")):
        done = run(*arguments)
        assert done.returncode == 2
        assert "Usage" in done.stderr
        assert "Traceback" not in done.stderr


def test_help_loads_neither_flask_nor_numpy() -> None:
    import subprocess
    import sys

    code = (
        "import sys\n"
        "from server.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "slow = {'flask', 'numpy', 'sqlalchemy', 'gunicorn', 'pydantic', 'cryptography'}\n"
        "sys.exit(','.join(slow & set(sys.modules)) or None)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=os.environ
    )
    assert done.returncode == 0, done.stderr
    assert "serve" in done.stdout
