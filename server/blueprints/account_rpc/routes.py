"""``get_project_config.php``, ``create_account.php``, ``lookup_account.php``.

The names are fixed in the client, ``.php`` included (``client/acct_setup.cpp``). Answers are always
HTTP 200: an error is an ``<error>`` element with a code that the wizard knows.
"""

from __future__ import annotations

import structlog
from flask import Blueprint, Response, request
from sqlalchemy import select

from boinc_project.errors import AuthError, InputError, OpenAstroError
from boinc_project.protocol.account import AccountError, AccountErrorReply, AccountReply
from boinc_project.protocol.project_config import ProjectConfig
from server.models import App, AppVersion
from server.project import current_project
from server.services.accounts import (
    EmailTaken,
    NewAccount,
    check_email,
    create_account,
    find_by_email,
    log_in,
)

blueprint = Blueprint("account_rpc", __name__)
log = structlog.get_logger("account")

_CODE_OF_FIELD = {
    "email_addr": AccountError.BAD_EMAIL,
    "name": AccountError.BAD_USER_NAME,
    "passwd_hash": AccountError.BAD_PASSWORD,
}


@blueprint.get("/get_project_config.php")
def get_project_config() -> Response:
    """Tell who we are and what a password must be."""
    project = current_project()
    usable = (
        select(AppVersion.platform)
        .join(App)
        .where(AppVersion.deprecated.is_(False), App.deprecated.is_(False))
        .distinct()
        .order_by(AppVersion.platform)
    )
    with project.database.read() as session:
        platforms = tuple(session.scalars(usable))
    config = ProjectConfig(
        name=project.settings.project.name,
        master_url=project.settings.project.url,
        min_passwd_length=project.settings.web.min_password_length,
        account_creation=project.settings.web.account_creation,
        platforms=platforms,
    )
    return _xml(config.to_bytes())


@blueprint.get("/create_account.php")
def create() -> Response:
    """Make an account, or return the key of the one that these very words made before."""
    project = current_project()
    if not project.settings.web.account_creation:
        return _error(
            AccountError.CREATION_DISABLED, "This project does not take new accounts at present."
        )
    new = NewAccount(
        email_addr=request.args.get("email_addr", ""),
        passwd_hash=request.args.get("passwd_hash", ""),
        name=request.args.get("user_name", ""),
    )
    try:
        user = create_account(project.database, new, now=project.clock())
    except EmailTaken as error:
        return _error(AccountError.NOT_UNIQUE, error.message)
    except InputError as error:
        return _error(_CODE_OF_FIELD.get(error.field, AccountError.GENERIC), error.message)
    log.info("account", action="create", userid=user.id)
    return _xml(AccountReply(user.authenticator).to_bytes())


@blueprint.get("/lookup_account.php")
def lookup() -> Response:
    """Return the account key, or without a password whether there is such an account."""
    project = current_project()
    if "email_addr" not in request.args:
        return _error(
            AccountError.GENERIC, "Accounts are looked up by e-mail address and password here."
        )
    try:
        email = check_email(request.args["email_addr"])
        user = find_by_email(project.database, email)
        if user is None:
            return _error(AccountError.NOT_FOUND, "There is no account with this e-mail address.")
        passwd_hash = request.args.get("passwd_hash")
        if passwd_hash is None:
            return _xml(AccountReply().to_bytes())
        return _xml(
            AccountReply(log_in(project.database, email, passwd_hash).authenticator).to_bytes()
        )
    except AuthError:
        return _error(AccountError.BAD_PASSWORD, "The password is wrong.")
    except InputError as error:
        return _error(AccountError.BAD_EMAIL, error.message)


@blueprint.errorhandler(OpenAstroError)
def _failed(error: OpenAstroError) -> Response:
    log.error("account RPC failed", path=request.path, error=error.message)
    return _error(AccountError.PROJECT_DOWN, error.message)


def _error(code: AccountError, message: str) -> Response:
    return _xml(AccountErrorReply(code, message).to_bytes())


def _xml(body: bytes) -> Response:
    response = Response(body, mimetype="text/xml")
    response.headers["Cache-Control"] = "no-store"
    return response
