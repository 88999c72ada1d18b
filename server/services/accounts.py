"""Accounts: making them, finding them, checking passwords and account keys.

A BOINC client never sends the password: it sends ``md5(password + e-mail)``. That hash is what a
thief of our database would need, so only its argon2 hash is stored. The account key
("authenticator") is what clients present from then on; it is random and looked up by an index, so
no expensive hash is on the scheduler's path.
"""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass
from functools import cache
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Connection, bindparam, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from boinc_project.errors import AuthError, InputError
from boinc_project.protocol.account import client_password_hash, weak_account_key
from server.db import Database
from server.models import User
from server.prepared import Prepared

_EMAIL = re.compile(r"[^@\s<>\"'\\,;:()]{1,64}@[^@\s<>\"'\\,;:()]{1,180}")
_HASH = re.compile(r"[0-9a-f]{32}\Z")
_WEAK_KEY = re.compile(r"([0-9]{1,9})_[0-9a-f]{32}\Z")


class EmailTaken(InputError):
    """Another account has this e-mail address."""


@dataclass(frozen=True, slots=True)
class NewAccount:
    """What a new account needs.

    Attributes
    ----------
    email_addr : str
        As typed; stored in lower case.
    passwd_hash : str
        `boinc_project.protocol.account.client_password_hash` of password and address.
    name : str
        Shown to others.
    """

    email_addr: str
    passwd_hash: str
    name: str


def create_account(database: Database, new: NewAccount, *, now: float) -> User:
    """Make an account; asking again with the same address and password returns the same one.

    Raises
    ------
    InputError
        If the address, the name or the hash is not usable; ``field`` says which.
    EmailTaken
        If the address belongs to an account with another password.
    """
    email, name = check_email(new.email_addr), check_name(new.name)
    if not _HASH.match(new.passwd_hash):
        raise InputError(
            "The password hash must be 32 lower-case hexadecimal digits: md5 of the password "
            "followed by the e-mail address.",
            field="passwd_hash",
        )
    existing = find_by_email(database, email)
    if existing is None:
        stored = _hasher().hash(new.passwd_hash)  # before the transaction: it takes a while
        user = User(
            create_time=now,
            name=name,
            email_addr=email,
            passwd_hash=stored,
            authenticator=secrets.token_hex(16),
            cross_project_id=secrets.token_hex(16),
        )
        try:
            with database.write() as session:
                session.expire_on_commit = False
                session.add(user)
            return user
        except IntegrityError:
            existing = find_by_email(database, email)  # made by another request at this moment
            if existing is None:
                raise
    if verify_passwd_hash(existing, new.passwd_hash):
        return existing
    raise EmailTaken(f"There already is an account with the address {email}.", field="email_addr")


def find_by_email(database: Database, email_addr: str) -> User | None:
    """Return the account with this address, or None."""
    wanted = select(User).where(User.email_addr == email_addr.strip().lower())
    with database.read() as session:
        user = session.scalar(wanted)
        session.expunge_all()
        return user


def log_in(database: Database, email_addr: str, passwd_hash: str) -> User:
    """Return the account with this address if the password is right.

    Raises
    ------
    AuthError
        If it is not, or there is no such account; the words do not say which.
    """
    user = find_by_email(database, email_addr)
    if user is None:
        _hasher().hash(passwd_hash)  # as long as a wrong password takes: addresses stay private
    elif verify_passwd_hash(user, passwd_hash):
        return user
    raise AuthError("The e-mail address or the password is wrong.")


def log_in_with_password(database: Database, email_addr: str, password: str) -> User:
    """Return the account if the password, as typed into a page, is right; see `log_in`."""
    return log_in(database, email_addr, client_password_hash(password, email_addr.strip()))


def verify_passwd_hash(user: User, passwd_hash: str) -> bool:
    """Return whether this is the client's hash of the account's password.

    The stock server also takes ``md5(account key + e-mail)``, which clients of account managers
    send; so do we.
    """
    instead = client_password_hash(user.authenticator, user.email_addr)
    if hmac.compare_digest(instead.encode(), passwd_hash.encode()):
        return True
    try:
        return _hasher().verify(user.passwd_hash, passwd_hash)
    except (VerificationError, InvalidHashError):
        return False


def set_password(session: Session, user: User, password: str) -> None:
    """Change the password; the weak account key changes with it."""
    user.passwd_hash = _hasher().hash(client_password_hash(password, user.email_addr))
    session.add(user)


def weak_key(user: User) -> str:
    """Return the account's weak key: computes for it, but changes nothing in it."""
    return weak_account_key(user.id, user.authenticator, user.passwd_hash)


def check_email(email_addr: str) -> str:
    """Return the address in lower case.

    Raises
    ------
    InputError
        If it cannot be an e-mail address.
    """
    email = email_addr.strip().lower()
    domain = email.rpartition("@")[2]
    if not _EMAIL.fullmatch(email) or "." not in domain.strip(".") or not email.isprintable():
        raise InputError(
            "This is not an e-mail address: write it as name@example.org.", field="email_addr"
        )
    return email


def check_name(name: str) -> str:
    """Return a user's name without blanks at its ends.

    Raises
    ------
    InputError
        If it is empty, too long, or holds control characters or markup.
    """
    name = " ".join(name.split())
    if not 1 <= len(name) <= 60 or not name.isprintable() or any(c in name for c in "<>&"):
        raise InputError(
            "A user name must have 1 to 60 printable characters and no <, > or &.", field="name"
        )
    return name


@cache
def _hasher() -> PasswordHasher:
    # argon2id with the library's defaults (RFC 9106's low-memory recommendation).
    return PasswordHasher()


_USERS = User.__table__
_BY_AUTHENTICATOR = Prepared(select(_USERS).where(_USERS.c.authenticator == bindparam("key")))
_BY_ID = Prepared(select(_USERS).where(_USERS.c.id == bindparam("userid")))


def find_by_key(connection: Connection, key: str) -> Any | None:
    """Return the row of the account with this account key or weak account key, or None."""
    if "_" not in key:
        return _BY_AUTHENTICATOR.first(connection, {"key": key})
    match = _WEAK_KEY.match(key)
    if match is None:
        return None
    row = _BY_ID.first(connection, {"userid": int(match.group(1))})
    if row is None:
        return None
    expected = weak_account_key(row.id, row.authenticator, row.passwd_hash)
    return row if hmac.compare_digest(expected, key) else None
