"""Structured logs of the server's processes: one event a line, with its values, on stderr."""

from __future__ import annotations

import logging
import sys
from typing import Any, TextIO

import structlog


def configure_logging(process: str, *, stream: TextIO | None = None, level: str = "INFO") -> None:
    """Send structlog's and the standard library's records to `stream` in one form.

    Parameters
    ----------
    process : str
        Name of this process, in every line.
    stream : TextIO, optional
        Where to write; stderr if not given.
    level : str
        Least level written.
    """
    stream = stream if stream is not None else sys.stderr

    def name_process(logger: Any, method: str, event: structlog.typing.EventDict) -> Any:
        del logger, method
        return {"process": process, **event}

    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        name_process,
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.dev.ConsoleRenderer(colors=stream.isatty(), pad_event_to=0),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger("alembic").setLevel("WARNING")  # tells its own name at every look
