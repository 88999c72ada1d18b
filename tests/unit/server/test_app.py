from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask, request

from boinc_project import errors
from boinc_project.settings import Settings, settings_from
from server.app import create_app, status_of


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "session_key").write_bytes(b"k" * 32)
    return settings_from({}, root=tmp_path)


def _fail_with(app: Flask, error: Exception, path: str = "/fails") -> tuple[int, str]:
    @app.get(path)
    def fails() -> str:
        raise error

    reply = app.test_client().get(path)
    assert reply.headers["Cache-Control"] == "no-store"
    return reply.status_code, reply.get_data(as_text=True)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.AuthError(), 401),
        (errors.MalformedRequest("The request is odd."), 400),
        (errors.RequestTooLarge(), 413),
        (errors.InputError(), 400),
        (errors.UnitError(), 400),
        (errors.StateError(), 409),
        (errors.TransientError(), 503),
        (errors.ConfigError(), 500),
        (errors.CorruptCheckpoint(), 400),
    ],
)
def test_each_error_is_one_sentence_with_its_status(settings, error, status) -> None:
    assert status_of(error) == status
    got, text = _fail_with(create_app(settings), error)
    assert got == status
    assert error.message in text
    assert "Traceback" not in text


def test_the_api_answers_errors_in_json(settings) -> None:
    app = create_app(settings)
    status, text = _fail_with(app, errors.InputError("No such campaign."), "/api/v1/fails")
    assert status == 400
    assert "No such campaign." in text
    assert text.lstrip().startswith("{")


def test_pages_are_not_cached_unless_they_say_so(settings) -> None:
    app = create_app(settings)
    app.add_url_rule("/plain", view_func=lambda: "x")
    assert app.test_client().get("/plain").headers["Cache-Control"] == "no-store"


def test_forms_are_bounded(settings) -> None:
    app = create_app(settings)
    app.add_url_rule("/form", view_func=lambda: str(len(request.get_data())), methods=["POST"])
    client = app.test_client()
    limit = settings.web.max_request_bytes
    assert client.post("/form", data=b"x" * limit).status_code == 200
    assert client.post("/form", data=b"x" * (limit + 1)).status_code == 413


@pytest.mark.parametrize(("proxies", "address"), [(0, "127.0.0.1"), (1, "203.0.113.7")])
def test_a_proxy_is_believed_only_if_there_is_one(tmp_path, settings, proxies, address) -> None:
    app = create_app(settings_from({"web": {"proxies": proxies}}, root=tmp_path))
    app.add_url_rule("/who", view_func=lambda: str(request.remote_addr))
    forged = {"X-Forwarded-For": "198.51.100.1, 203.0.113.7"}
    assert app.test_client().get("/who", headers=forged).text == address


def test_a_project_without_session_key_is_not_served(tmp_path, settings) -> None:
    (tmp_path / "keys" / "session_key").unlink()
    with pytest.raises(errors.ConfigError, match="openastro init"):
        create_app(settings)
