"""Who is logged in: a volunteer's number and a stamp of their password, in a signed cookie."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

from flask import Flask, Response, flash, redirect, request, url_for
from flask_login import LoginManager, current_user, login_required
from werkzeug.wrappers import Response as BaseResponse

from server.project import current_project
from server.services.pages import AccountView, account

View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class SessionUser:
    """The volunteer behind the request, as Flask-Login wants to see them."""

    account: AccountView
    is_authenticated: bool = True
    is_active: bool = True
    is_anonymous: bool = False

    def get_id(self) -> str:
        """Return what the cookie says: a new password ends every older session."""
        return f"{self.account.id}:{self.account.session_stamp}"


def install_sessions(app: Flask) -> None:
    """Let the application know who is logged in."""
    manager = LoginManager()
    manager.user_loader(load_session_user)
    manager.unauthorized_handler(_ask_to_log_in)
    manager.init_app(app, add_context_processor=False)
    app.context_processor(lambda: {"current_user": current_user})


def load_session_user(identity: str) -> SessionUser | None:
    """Return the volunteer whom a session cookie names, or None if it is not valid any more."""
    userid, _, stamp = identity.partition(":")
    if not userid.isascii() or not userid.isdigit():
        return None
    project = current_project()
    view = account(project.database, int(userid), now=project.clock())
    return SessionUser(view) if view is not None and view.session_stamp == stamp else None


def members_only(view: View) -> View:
    """Let only volunteers who are logged in see a page; others are asked to log in."""
    return cast("View", login_required(view))


def my_account() -> AccountView:
    """Return the account of who is logged in, for views behind ``login_required``."""
    view = current_user.account
    assert isinstance(view, AccountView)
    return view


def safe_next(target: str) -> str:
    """Return `target` if it is a path of this site, else the account page.

    A link to the log-in page could otherwise send a volunteer anywhere afterwards.
    """
    parts = urlsplit(target)
    own = target.startswith("/") and not target.startswith(("//", "/\\"))
    if own and not parts.scheme and not parts.netloc and target.isprintable():
        return target
    return url_for("web.my_account_page")


def _ask_to_log_in() -> BaseResponse | Response:
    flash("Please log in to see that page.", "note")
    return redirect(url_for("web.login", next=request.full_path.rstrip("?")))
