"""The account RPCs' answers (``client/acct_setup.cpp``), and the hashes that they speak of."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import IntEnum

from boinc_project.protocol.text import element


class AccountError(IntEnum):
    """Codes of ``lib/error_numbers.h`` that attach wizards turn into their own words."""

    GENERIC = -1
    """Anything without a code of its own."""
    NOT_FOUND = -136
    """No account has this e-mail address (``ERR_DB_NOT_FOUND``)."""
    NOT_UNIQUE = -137
    """The e-mail address is taken and the password is another (``ERR_DB_NOT_UNIQUE``)."""
    PROJECT_DOWN = -183
    """Try again later."""
    BAD_USER_NAME = -188
    """The user name is not usable."""
    BAD_EMAIL = -205
    """The e-mail address is not usable."""
    BAD_PASSWORD = -206
    """The password is wrong."""
    CREATION_DISABLED = -208
    """The project takes no new accounts."""


def client_password_hash(password: str, email_addr: str) -> str:
    """Return what a client sends instead of the password: md5 of password and e-mail address."""
    return hashlib.md5((password + email_addr.lower()).encode()).hexdigest()


def weak_account_key(userid: int, authenticator: str, passwd_hash: str) -> str:
    """Return the weak account key: computes for the account, but changes nothing in it.

    As ``get_weak_auth`` of ``html/inc/user.inc``: it changes when the password does.
    """
    secret = hashlib.md5((authenticator + passwd_hash).encode()).hexdigest()
    return f"{userid}_{secret}"


@dataclass(frozen=True, slots=True)
class AccountReply:
    """The account key, or (without one) that the address is known."""

    authenticator: str = ""

    def to_bytes(self) -> bytes:
        """Return the body of the answer."""
        inner = element("authenticator", self.authenticator) if self.authenticator else ""
        return f"<account_out>\n{inner or '<success/>' + chr(10)}</account_out>\n".encode()


@dataclass(frozen=True, slots=True)
class AccountErrorReply:
    """Why there is no account key."""

    code: AccountError
    message: str

    def to_bytes(self) -> bytes:
        """Return the body of the answer."""
        inner = element("error_num", int(self.code)) + element("error_msg", self.message)
        return f"<error>\n{inner}</error>\n".encode()
