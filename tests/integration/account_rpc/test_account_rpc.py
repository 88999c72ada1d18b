"""What attach wizards ask, as ``client/acct_setup.cpp`` asks it."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import select

from boinc_project.protocol.account import client_password_hash
from server.db import Database
from server.models import App, AppVersion, User

EMAIL = "ann@example.org"
HASH = client_password_hash("secret", EMAIL)


def ask(http: Any, page: str, **arguments: str) -> str:
    """Send a request as the client encodes it: every byte that is no letter or digit."""
    words = "&".join(f"{name}={quote(value, safe='')}" for name, value in arguments.items())
    response = http.get(f"/{page}.php?{words}".replace(".org", "%2Eorg").replace("-", "%2D"))
    assert response.status_code == 200
    assert response.mimetype == "text/xml"
    assert response.headers["Cache-Control"] == "no-store"
    return str(response.text)


def create(http: Any, email: str = EMAIL, passwd_hash: str = HASH, name: str = "Ann") -> str:
    return ask(http, "create_account", email_addr=email, passwd_hash=passwd_hash, user_name=name)


def lookup(http: Any, email: str = EMAIL, passwd_hash: str = HASH) -> str:
    return ask(http, "lookup_account", email_addr=email, passwd_hash=passwd_hash)


def key(answer: str) -> str:
    match = re.fullmatch(
        r"<account_out>\n<authenticator>([0-9a-f]{32})</authenticator>\n</account_out>\n", answer
    )
    assert match, answer
    return match.group(1)


def code(answer: str) -> int:
    match = re.search(r"<error>\n<error_num>(-\d+)</error_num>\n<error_msg>.+</error_msg>", answer)
    assert match, answer
    return int(match.group(1))


def test_an_account_is_made_and_found(http: Any, database: Database) -> None:
    made = key(create(http))
    assert key(lookup(http)) == made
    with database.read() as session:
        (user,) = session.scalars(select(User))
        assert (user.name, user.email_addr, user.create_time) == ("Ann", EMAIL, 1.7e9)
        assert re.fullmatch("[0-9a-f]{32}", user.cross_project_id)
        assert user.cross_project_id != user.authenticator


def test_the_clients_hash_is_not_stored(http: Any, database: Database) -> None:
    """Kills: keeping what the client sends, which is as good as the password."""
    create(http)
    with database.read() as session:
        (user,) = session.scalars(select(User))
        assert user.passwd_hash.startswith("$argon2id$")
        assert HASH not in user.passwd_hash


def test_asking_twice_makes_one_account(http: Any, database: Database) -> None:
    assert key(create(http)) == key(create(http, name="Somebody"))
    with database.read() as session:
        assert len(session.scalars(select(User)).all()) == 1


def test_an_address_is_the_same_in_capitals(http: Any) -> None:
    made = key(create(http))
    assert key(lookup(http, email="Ann@Example.ORG")) == made


def test_a_taken_address(http: Any) -> None:
    create(http)
    assert code(create(http, passwd_hash=client_password_hash("other", EMAIL))) == -137


def test_a_wrong_password(http: Any) -> None:
    create(http)
    for wrong in (client_password_hash("other", EMAIL), "", "x" * 5000, "é"):
        assert code(lookup(http, passwd_hash=wrong)) == -206


def test_an_unknown_address(http: Any) -> None:
    assert code(lookup(http)) == -136


def test_an_existence_probe(http: Any) -> None:
    assert code(ask(http, "lookup_account", email_addr=EMAIL)) == -136
    create(http)
    probe = ask(http, "lookup_account", email_addr=EMAIL)
    assert probe == "<account_out>\n<success/>\n</account_out>\n"


def test_the_hash_of_the_account_key_is_a_password_too(http: Any) -> None:
    made = key(create(http))
    assert key(lookup(http, passwd_hash=client_password_hash(made, EMAIL))) == made


@pytest.mark.parametrize(
    ("arguments", "number"),
    [
        ({"email": "nobody"}, -205),
        ({"email": ""}, -205),
        ({"email": "a@b"}, -205),
        ({"email": "a b@example.org"}, -205),
        ({"email": "<a>@example.org"}, -205),
        ({"email": "a" * 300 + "@example.org"}, -205),
        ({"name": ""}, -188),
        ({"name": "<b>"}, -188),
        ({"name": "x" * 61}, -188),
        ({"passwd_hash": "short"}, -206),
        ({"passwd_hash": HASH.upper()}, -206),
    ],
)
def test_unusable_words(http: Any, arguments: dict[str, str], number: int) -> None:
    assert code(create(http, **arguments)) == number


def test_no_words_at_all(http: Any) -> None:
    assert code(ask(http, "create_account")) == -205
    assert code(ask(http, "lookup_account")) == -1


def test_account_creation_can_be_switched_off(make_http: Any) -> None:
    http = make_http(web={"account_creation": False})
    assert code(create(http)) == -208
    assert "<account_creation_disabled/>" in ask(http, "get_project_config")


def test_the_project_config(make_http: Any, database: Database) -> None:
    with database.write() as session:
        app = App(name="ttv", user_friendly_name="TTV", create_time=0.0)
        session.add(app)
        session.flush()
        for platform, deprecated in (("x86_64-pc-linux-gnu", False), ("sparc", True)):
            session.add(
                AppVersion(
                    appid=app.id,
                    version_num=100,
                    platform=platform,
                    create_time=0.0,
                    deprecated=deprecated,
                )
            )
    http = make_http(project={"name": "A & B"}, web={"min_password_length": 9})
    text = ask(http, "get_project_config")
    assert "<name>A &amp; B</name>" in text
    assert "<master_url>http://127.0.0.1:8080/</master_url>" in text
    assert "<min_passwd_length>9</min_passwd_length>" in text
    assert "<platform_name>x86_64-pc-linux-gnu</platform_name>" in text
    assert "sparc" not in text
    assert "disabled" not in text
