"""One settings file, every key documented, every mistake named."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from boinc_project.errors import ConfigError
from boinc_project.settings import Settings, load_settings, settings_from, settings_text


def _write(path: Path, text: str) -> Path:
    file = path / "openastro.toml"
    file.write_text(text)
    return file


def test_written_settings_read_back_equal(tmp_path: Path) -> None:
    defaults = Settings(root=tmp_path)
    assert load_settings(_write(tmp_path, settings_text(defaults))) == defaults


def test_every_key_is_described() -> None:
    text = settings_text(Settings())
    for name, section in Settings.model_fields.items():
        if name == "root":
            continue
        for key, field in type(section.default).model_fields.items():
            assert field.description, f"{name}.{key} has no description"
            assert f"# {field.description}\n{key} = " in text
    tomllib.loads(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[web]\nworkerz = 2\n", r"web\.workerz"),
        ("[web]\nworkers = 0\n", r"web\.workers"),
        ("[nonsense]\nx = 1\n", "nonsense"),
        ("[web\n", "not valid TOML"),
        ("root = 1\n", "root"),
        ('[project]\nurl = "http://localhost:8080/"\n', "127.0.0.1"),
        ('[project]\nurl = "http://Example.org/"\n', "lower case"),
        ('[project]\nurl = "http://example.org/x"\n', "end in /"),
        ('[project]\nurl = "ftp://example.org/"\n', "http"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        load_settings(_write(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="openastro init"):
        load_settings(tmp_path / "openastro.toml")


def test_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENASTRO_WEB__THREADS", "3")
    assert settings_from({"web": {"threads": 5}}, root=tmp_path).web.threads == 3


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    settings = settings_from({"files": {"upload": "up"}}, root=tmp_path)
    assert settings.path("upload") == tmp_path / "up"
    assert settings.database_url == f"sqlite:///{tmp_path / 'project.sqlite'}"


@pytest.mark.parametrize("url", ["sqlite:////srv/x.sqlite", "postgresql+psycopg://u:p@host/name"])
def test_absolute_database_urls_stay(tmp_path: Path, url: str) -> None:
    assert settings_from({"database": {"url": url}}, root=tmp_path).database_url == url
