from __future__ import annotations

import io
import logging

import pytest
import structlog

from server.logging import configure_logging


@pytest.fixture
def stream():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logging("validator", stream=stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_both_kinds_of_record_come_in_one_form(stream: io.StringIO) -> None:
    structlog.get_logger("a").info("workunit valid", workunit=7)
    logging.getLogger("gunicorn.error").warning("Booting %s", "worker")
    first, second = stream.getvalue().splitlines()
    assert "workunit valid" in first
    assert "workunit=7" in first
    assert "Booting worker" in second
    for line in (first, second):
        assert "process=validator" in line
        assert "\x1b" not in line  # no colours where nobody looks


def test_an_exception_is_logged_with_its_traceback(stream: io.StringIO) -> None:
    try:
        raise ValueError("row 7")
    except ValueError:
        structlog.get_logger("a").exception("pass failed")
    assert "ValueError: row 7" in stream.getvalue()


def test_a_newline_from_outside_makes_no_second_line(stream: io.StringIO) -> None:
    structlog.get_logger("a").info("upload put off", name="x\n2026 [error] forged")
    assert len(stream.getvalue().splitlines()) == 1


def test_what_is_below_the_level_is_silent(stream: io.StringIO) -> None:
    logging.getLogger("x").debug("quiet")
    structlog.get_logger("x").debug("quiet")
    logging.getLogger("alembic.runtime").info("Context impl")
    assert stream.getvalue() == ""
