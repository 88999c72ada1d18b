"""One scheduler RPC, from the parsed request to the reply."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection

from boinc_project.protocol.reply import Account, GuiUrl, Message, SchedulerReply
from boinc_project.protocol.request import ANONYMOUS, SchedulerRequest
from server.project import Project
from server.services import hosts
from server.services.accounts import find_by_key
from server.services.group_commit import GroupCommit
from server.services.scheduler import reasons, statements
from server.services.scheduler.books import DAY, Books
from server.services.scheduler.catalogue import Catalogue, CatalogueCache
from server.services.scheduler.dispatch import Cursor, Dispatch
from server.services.scheduler.in_hand import Aborts, detach, send_again, unwanted
from server.services.scheduler.key_delivery import KeyAnswer, KeyRing
from server.services.scheduler.reasons import Kind, Reason
from server.services.scheduler.reports import take_reports
from server.services.scheduler.sending import Assignment, Places, describe, find_inputs

BAD_KEY_DELAY = 3600.0
"""Seconds; as the stock server (``sched/sched_main.h``)."""
MESSAGES = 3
"""Most reasons told at once."""


@dataclass(frozen=True, slots=True)
class _Work:
    """What stations after the reports found."""

    assignments: tuple[Assignment, ...] = ()
    reasons: tuple[Reason, ...] = ()
    aborts: Aborts = field(default_factory=Aborts)
    notices: tuple[str, ...] = ()
    """What the owner is to be told besides."""


@dataclass(frozen=True, slots=True)
class _Found:
    """What the transaction of an RPC found and did."""

    now: float
    user: Any
    host: hosts.IdentifiedHost
    acknowledged: tuple[str, ...]
    key: KeyAnswer
    work: _Work
    inputs: dict[int, list[Any]]


class Scheduler:
    """The scheduler of one process: settings, caches, and `answer`.

    Parameters
    ----------
    project : Project
        Settings, database, clock, keys.
    """

    def __init__(self, project: Project) -> None:
        settings = project.settings
        self._project = project
        self._settings = settings.scheduler
        self._url = settings.project.url
        self._catalogue = CatalogueCache(
            project.database, f"{self._url}download/", project.clock, project.catalogue_seconds
        )
        self._cursor = Cursor()
        # PostgreSQL gathers commits by itself, and its transactions run side by side.
        self._transactions = (
            GroupCommit(project.database, self._find).run
            if project.database.is_sqlite
            else self._in_own_transaction
        )
        self._keys = KeyRing(project.code_sign_key, settings.path("keys"))
        self._places = Places(
            download_url=f"{self._url}download/",
            upload_url=f"{self._url}file_upload_handler",
            downloads=project.downloads,
            upload_key=project.upload_key,
        )
        self._gui_urls = (
            GuiUrl("Your account", "Your credit, computers and settings", f"{self._url}account"),
            GuiUrl("Your tasks", "What your computers compute and computed", f"{self._url}tasks"),
            GuiUrl("Campaigns", "What your computers helped to find", f"{self._url}campaigns"),
        )

    def answer(self, request: SchedulerRequest) -> SchedulerReply:
        """Answer a request in one transaction.

        Nothing is changed and nothing acknowledged if this raises.
        """
        catalogue = self._catalogue.current()
        found = self._transactions((request, catalogue))
        return self._bad_key() if found is None else self._reply(request, found)

    def _in_own_transaction(self, job: tuple[SchedulerRequest, Catalogue]) -> _Found | None:
        with self._project.database.write_connection() as connection:
            return self._find(connection, job)

    def _find(
        self, connection: Connection, job: tuple[SchedulerRequest, Catalogue]
    ) -> _Found | None:
        """Do all that a request does to the database; None if its account key is not known."""
        request, catalogue = job
        now = self._project.clock()
        user = find_by_key(connection, request.authenticator)
        if user is None:
            return None
        host = hosts.identify(connection, request, user, now=now)
        books = Books(connection, daily_quota=self._settings.daily_result_quota, now=now)
        in_progress = statements.in_progress_of_host.all(connection, {"hostid": host.id})
        reports = take_reports(
            connection,
            books,
            request.results,
            {row.name: row for row in in_progress},
            userid=user.id,
            now=now,
        )
        held = [row for row in in_progress if row.id not in reports.finished]
        if host.found and not request.other_results and not request.allow_multiple_clients:
            detach(connection, books, held, now=now)
            held = []
        key = self._keys.answer(request.code_sign_key)
        work = self._work(connection, books, request, catalogue, host.id, user.id, held, key)
        inputs = find_inputs(connection, work.assignments)
        books.write()
        return _Found(now, user, host, reports.acknowledged, key, work, inputs)

    def _reply(self, request: SchedulerRequest, found: _Found) -> SchedulerReply:
        """Put what was found into words; the database is not needed any more."""
        work, key = found.work, found.key
        description = describe(
            work.assignments, found.inputs, self._places, p_fpops=request.host.p_fpops
        )
        delay, next_delay = self._delays(work, found.now)
        return SchedulerReply(
            master_url=self._url,
            project_name=self._project.settings.project.name,
            request_delay=delay,
            next_rpc_delay=next_delay,
            messages=(
                *(Message(text, "notice") for text in work.notices),
                *_messages(work, key, delay),
            ),
            account=_account(found.user, found.host),
            hostid=found.host.id if found.host.changed else None,
            code_sign_key=key.key,
            code_sign_key_signature=key.signature,
            apps=description.apps,
            files=description.files,
            app_versions=description.app_versions,
            workunits=description.workunits,
            results=description.results,
            result_acks=found.acknowledged,
            result_aborts=work.aborts.at_once,
            result_aborts_if_not_started=work.aborts.if_not_started,
            message_ack=bool(request.trickles),
            gui_urls=self._gui_urls,
        )

    def _work(
        self,
        connection: Connection,
        books: Books,
        request: SchedulerRequest,
        catalogue: Catalogue,
        hostid: int,
        userid: int,
        held: list[Any],
        key: KeyAnswer,
    ) -> _Work:
        """Look after the tasks in hand, then find new ones."""
        now = self._project.clock()
        aborts = Aborts()
        if request.other_results is not None:
            names = frozenset(request.other_results)
            if names:
                aborts = unwanted(connection, request.other_results, held, userid=userid)
            lost = [row for row in held if row.name not in names]
            if lost and self._settings.resend_lost_results and not request.work.refused:
                again = send_again(
                    connection,
                    books,
                    lost,
                    catalogue,
                    request.platforms,
                    now=now,
                    grace=self._settings.report_grace_period,
                )
                if again:
                    return _Work(tuple(again), (reasons.resent(len(again)),), aborts)
        if not request.work.wanted:
            return _Work(aborts=aborts)
        refusal = _refusal(request, key)
        if refusal is not None:
            return _Work(reasons=(refusal,), aborts=aborts)
        if not self._project.database.is_sqlite:
            connection.execute(statements.one_rpc_of_a_user, {"userid": userid})
        search = Dispatch(
            connection,
            books,
            catalogue,
            request,
            self._settings,
            hostid,
            userid,
            now,
            self._project.settings.trust,
            self._project.secret,
        )
        search.run(len(held), self._cursor)
        notices = _notices(books, catalogue, hostid)
        if search.found:
            return _Work(tuple(search.found), aborts=aborts, notices=notices)
        found = tuple(sorted(search.reasons.values(), key=_kind))
        return _Work(reasons=found, aborts=aborts, notices=notices)

    def _delays(self, work: _Work, now: float) -> tuple[float, float | None]:
        """Return the least and the most seconds until the next request."""
        if work.assignments or not work.reasons:
            return self._settings.request_delay, None
        delay = reasons.retry_after(
            (reason.kind for reason in work.reasons),
            no_work_delay=self._settings.no_work_delay,
            until_tomorrow=DAY - now % DAY,
        )
        delay = max(delay, self._settings.request_delay)
        # Left to itself a client without work would wait ten minutes, then twenty, up to a day.
        return delay, delay

    def _bad_key(self) -> SchedulerReply:
        return SchedulerReply(
            master_url=self._url,
            project_name=self._project.settings.project.name,
            request_delay=BAD_KEY_DELAY,
            messages=(
                Message(
                    "Your account key is not known here. Remove the project in your client and add "
                    "it again with your e-mail address and password.",
                    "notice",
                ),
            ),
        )


def _kind(reason: Reason) -> Kind:
    return reason.kind


def _refusal(request: SchedulerRequest, key: KeyAnswer) -> Reason | None:
    if request.platforms and request.platforms[0] == ANONYMOUS:
        return reasons.anonymous()
    return reasons.wrong_key() if key.unknown else None


def _notices(books: Books, catalogue: Catalogue, hostid: int) -> tuple[str, ...]:
    """Return what a host's owner has not been told yet, once an app."""
    versions = [catalogue.by_id.get(one) for one in books.take_notices(hostid)]
    names = {one.app.user_friendly_name if one else "an old app" for one in versions}
    return tuple(reasons.audit_failed(name) for name in sorted(names))


def _messages(work: _Work, key: KeyAnswer, delay: float) -> tuple[Message, ...]:
    if key.unknown and not work.reasons:
        return (Message(reasons.wrong_key().text, "notice"),)
    if work.assignments:
        return tuple(Message(reason.text) for reason in work.reasons)
    messages = [
        Message(reason.text, "notice" if reason.kind <= Kind.WRONG_KEY else "low")
        for reason in work.reasons[:MESSAGES]
    ]
    if messages:
        last = messages[-1]
        messages[-1] = replace(
            last, text=f"{last.text} Your client asks again in {reasons.when(delay)}."
        )
    return tuple(messages)


def _account(user: Any, host: hosts.IdentifiedHost) -> Account:
    email = user.email_addr
    return Account(
        userid=user.id,
        user_name=user.name,
        user_create_time=int(user.create_time),
        user_total_credit=user.total_credit,
        user_expavg_credit=user.expavg_credit,
        host_total_credit=host.total_credit,
        host_expavg_credit=host.expavg_credit,
        host_venue=host.venue,
        host_create_time=int(host.create_time),
        email_hash=hashlib.md5(email.encode()).hexdigest(),
        cross_project_id=user.cross_project_id,
        external_cpid=hashlib.md5((user.cross_project_id + email).encode()).hexdigest(),
    )
