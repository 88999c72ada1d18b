"""Creating accounts, logging in and out, and everything that can be wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import func, select

from server.models import User
from server.services.accounts import set_password
from tests.factories import PASSWORD
from tests.web_site import Site, open_site, send_form

GOOD = {"name": "Ann", "email": "Ann@Example.org", "password": PASSWORD}


def users(site: Site) -> int:
    with site.database.read() as session:
        return session.scalar(select(func.count(User.id))) or 0


def test_a_new_account_is_logged_in_and_sees_its_key(site: Site) -> None:
    browser = site.browser()
    sent = send_form(browser, "/create_account", **GOOD)
    assert (sent.status_code, sent.location) == (303, "/account")
    with site.database.read() as session:
        user = session.scalars(select(User)).one()
    page = browser.get("/account")
    assert f'id="account-key">{user.authenticator}<' in page.text
    assert user.email_addr == "ann@example.org"


def test_a_client_can_look_up_an_account_made_on_the_web(site: Site) -> None:
    """The web hashes the password as clients do, the address in lower case."""
    from boinc_project.protocol.account import client_password_hash

    send_form(site.browser(), "/create_account", **GOOD)
    found = site.app.test_client().get(
        "/lookup_account.php",
        query_string={
            "email_addr": "ann@example.org",
            "passwd_hash": client_password_hash(PASSWORD, "ann@example.org"),
        },
    )
    assert "<authenticator>" in found.text


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("name", "", "Please choose a name."),
        ("name", "<b>Ann</b>", "no &lt;, &gt; or &amp;"),
        ("name", "x" * 61, "1 to 60 printable characters"),
        ("email", "", "Please give your e-mail address."),
        ("email", "ann", "write it as name@example.org"),
        ("email", "ann@localhost", "write it as name@example.org"),
        ("password", "", "Please choose a password."),
        ("password", "short", "The password has 5 characters; at least 6 are needed."),
        ("password", "x" * 1001, "at most 1000 characters"),
    ],
)
def test_a_bad_field_gets_one_sentence_and_keeps_the_rest(
    site: Site, field: str, value: str, sentence: str
) -> None:
    typed = GOOD | {field: value}
    sent = send_form(site.browser(), "/create_account", **typed)
    assert sent.status_code == 400
    assert sentence in sent.text
    assert sent.text.count('class="error"') == 1
    if field != "name":
        assert 'value="Ann"' in sent.text
    if field != "email":
        assert 'value="Ann@Example.org"' in sent.text
    assert PASSWORD not in sent.text
    assert users(site) == 0


def test_a_taken_address_is_a_conflict(site: Site) -> None:
    site.make.user("Other", password="another password", email_addr="ann@example.org")
    sent = send_form(site.browser(), "/create_account", **GOOD)
    assert sent.status_code == 409
    assert "There already is an account with the address ann@example.org." in sent.text
    assert users(site) == 1


def test_creation_can_be_closed(tmp_path: Path) -> None:
    with open_site(
        tmp_path, web={"account_creation": False}, project={"contact": "x@example.org"}
    ) as site:
        browser = site.browser()
        page = browser.get("/create_account")
        assert page.status_code == 403
        assert "cannot be made at the moment" in page.text
        assert "x@example.org" in page.text
        assert browser.post("/create_account", data=GOOD).status_code == 403
        assert users(site) == 0


def test_a_form_without_its_token_is_refused_and_keeps_what_was_typed(site: Site) -> None:
    sent = site.browser().post("/create_account", data=GOOD)
    assert sent.status_code == 400
    assert "please send the form again" in sent.text
    assert 'value="Ann@Example.org"' in sent.text
    assert users(site) == 0


@pytest.mark.parametrize(
    ("email", "password"),
    [("ann@example.org", "wrong"), ("nobody@example.org", PASSWORD)],
)
def test_a_wrong_log_in_does_not_say_what_is_wrong(site: Site, email: str, password: str) -> None:
    site.make.user("Ann", password=PASSWORD)
    browser = site.browser()
    sent = send_form(browser, "/login", email=email, password=password)
    assert sent.status_code == 401
    assert "The e-mail address or the password is wrong." in sent.text
    assert f'value="{email}"' in sent.text
    assert browser.get("/account").status_code == 302


def test_log_in_needs_both(site: Site) -> None:
    sent = send_form(site.browser(), "/login", email="", password="")
    assert sent.status_code == 400
    assert "Please give your e-mail address." in sent.text
    assert "Please give your password." in sent.text


def test_log_in_leads_where_one_wanted_to_go(site: Site) -> None:
    site.make.user("Ann", password=PASSWORD)
    browser = site.browser()
    asked = browser.get("/tasks?state=error")
    assert asked.status_code == 302
    page = browser.get(asked.location)
    assert "Please log in to see that page." in page.text
    sent = send_form(browser, asked.location, email="ann@example.org", password=PASSWORD)
    # the hidden field, not the address, says where to go
    token = page.text.split('name="next"')[1].split('value="')[1].split('"')[0]
    assert token == "/tasks?state=error"
    assert sent.status_code == 303


@pytest.mark.parametrize(
    ("target", "leads_to"),
    [
        ("/tasks?state=error", "/tasks?state=error"),
        ("https://evil.example/", "/account"),
        ("//evil.example/", "/account"),
        ("/\\evil.example/", "/account"),
        ("javascript:alert(1)", "/account"),
        ("/x\r\nSet-Cookie: a=b", "/account"),
        ("", "/account"),
    ],
)
def test_log_in_never_leads_to_another_site(site: Site, target: str, leads_to: str) -> None:
    site.make.user("Ann", password=PASSWORD)
    sent = send_form(
        site.browser(), "/login", email="ann@example.org", password=PASSWORD, next=target
    )
    assert (sent.status_code, sent.location) == (303, leads_to)


def test_log_out_needs_our_own_button(site: Site) -> None:
    browser = site.browser(site.make.user("Ann", password=PASSWORD))
    assert browser.get("/logout").status_code == 405
    browser.post("/logout")
    assert browser.get("/account").status_code == 200, "a foreign page could log people out"
    token = browser.get("/account").text.split('name="csrf_token"')[1].split('value="')[1]
    browser.post("/logout", data={"csrf_token": token.split('"')[0]})
    assert browser.get("/account").status_code == 302


def test_a_new_password_ends_every_session(site: Site) -> None:
    user = site.make.user("Ann", password=PASSWORD)
    browser = site.browser(user)
    with site.database.write() as session:
        stored = session.get(User, user.id)
        assert stored is not None
        set_password(session, stored, "a new password")
    assert browser.get("/account").status_code == 302


def test_the_session_cookie_is_for_pages_only(tmp_path: Path) -> None:
    with open_site(tmp_path, project={"url": "https://openastro.example.org/"}) as site:
        cookie = site.browser().get("/login").headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "Secure" in cookie
    assert "SameSite=Lax" in cookie


@pytest.mark.parametrize("path", ["/login", "/create_account"])
def test_trying_without_end_is_stopped(site: Site, path: str) -> None:
    browser = site.browser()
    codes = [browser.post(path, data={}).status_code for _ in range(11)]
    assert codes == [400] * 10 + [429]
    refused = browser.post(path, data={})
    assert "tried too often from your address" in refused.text
    assert "<h1>" in refused.text
    assert refused.headers["Retry-After"]
    assert browser.get(path).status_code == 200, "looking is free"
