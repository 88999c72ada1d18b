"""``POST /scheduler``: the scheduler RPC.

Everything that is a scheduler request is answered with HTTP 200 and a reply, errors included: a
client cannot read anything else, and would back off for hours. Only what is no scheduler request at
all, or too large to read, gets an HTTP error.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from flask import Blueprint, Response, current_app, request
from sqlalchemy.exc import SQLAlchemyError

from boinc_project.errors import MalformedRequest, RequestTooLarge
from boinc_project.protocol.reply import Message, SchedulerReply
from boinc_project.protocol.request_parser import parse_scheduler_request
from server.project import Project, current_project
from server.services.scheduler import SCHEDULER_PATH
from server.services.scheduler.rpc import Scheduler

EXTENSION = "openastro_doorkeeper"

blueprint = Blueprint("scheduler", __name__)
log = structlog.get_logger("scheduler")

PATIENCE = 0.25
"""Seconds that a request waits for a free place: some ten transactions. A longer queue means
overload, and is answered."""
BUSY_DELAYS = (60.0, 300.0)
"""Seconds after which a refused client comes again, drawn at random so that they do not all come
at once."""
FAILED_DELAY = 300.0
"""Seconds after which a client comes again when the database failed."""
MALFORMED_DELAY = 3600.0
"""Seconds; the same client will send the same again, so there is no hurry."""


class Doorkeeper:
    """Lets a bounded number of RPCs in at once, and makes the scheduler for the first.

    Threads beyond the bound are free for pages, uploads, and for telling clients to come later.
    """

    def __init__(self, places: int) -> None:
        self._places = threading.BoundedSemaphore(places)
        self._lock = threading.Lock()
        self._scheduler: Scheduler | None = None

    @contextmanager
    def place(self) -> Iterator[bool]:
        """Take a place for an RPC, if there is one soon; yields whether there was."""
        admitted = self._places.acquire(timeout=PATIENCE)
        try:
            yield admitted
        finally:
            if admitted:
                self._places.release()

    def scheduler(self, project: Project) -> Scheduler:
        """Return the process's scheduler."""
        with self._lock:
            if self._scheduler is None:
                self._scheduler = Scheduler(project)
            return self._scheduler


@blueprint.post(f"/{SCHEDULER_PATH}")
def scheduler() -> Response:
    """Answer a scheduler RPC."""
    project = current_project()
    limit = project.settings.web.max_request_bytes
    request.max_content_length = limit + 1  # one more, to tell a full request from a cut one
    try:
        # The client sends a form's content type; parsing it as one would eat the body.
        body = request.get_data(cache=False, parse_form_data=False)
        parsed = parse_scheduler_request(body, max_bytes=limit)
    except RequestTooLarge as error:
        return _plain(413, error.message)
    except MalformedRequest as error:
        log.info("malformed request", reason=error.message)
        if not error.is_request:
            return _plain(400, error.message)
        return _sorry(project, f"Your client's request cannot be read: {error.message}")
    doorkeeper: Doorkeeper = current_app.extensions[EXTENSION]
    with doorkeeper.place() as admitted:
        if not admitted:
            return _busy(project)
        try:
            reply = doorkeeper.scheduler(project).answer(parsed)
        except SQLAlchemyError as error:
            log.exception("rpc failed", action="rpc", hostid=parsed.hostid, error=str(error))
            return _down(project, FAILED_DELAY, "The project's database does not answer.")
    return _xml(reply)


def _busy(project: Project) -> Response:
    delay = random.uniform(*BUSY_DELAYS)
    return _down(project, delay, "The project is busy; your client asks again in a few minutes.")


def _down(project: Project, delay: float, text: str) -> Response:
    """Answer so that the client keeps everything and comes again."""
    return _xml(
        SchedulerReply(
            master_url=project.settings.project.url,
            project_name=project.settings.project.name,
            request_delay=delay,
            messages=(Message(text),),
            project_is_down=True,
        )
    )


def _sorry(project: Project, text: str) -> Response:
    return _xml(
        SchedulerReply(
            master_url=project.settings.project.url,
            project_name=project.settings.project.name,
            request_delay=MALFORMED_DELAY,
            messages=(Message(text),),
        )
    )


def _xml(reply: SchedulerReply) -> Response:
    response = Response(reply.to_bytes(), mimetype="text/xml")
    response.headers["Cache-Control"] = "no-store"
    return response


def _plain(status: int, text: str) -> Response:
    response = Response(text + "\n", status=status, mimetype="text/plain")
    response.headers["Cache-Control"] = "no-store"
    return response
