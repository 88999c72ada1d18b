"""The scheduler: one request, one transaction, one reply.

`rpc.answer` goes through the stations in order: account, host (`server.services.hosts`), code
signing key, reports, tasks in hand (lost, unwanted), new work. Every station reads a bounded number
of rows by an index, so the cost of an RPC does not grow with the project. State changes go through
`boinc_project.lifecycle.result`; what they do to other rows is collected in `books.Books` and
written at the end.
"""

from __future__ import annotations

SCHEDULER_PATH = "scheduler"
"""Path of the scheduler below the master URL; the master page names it."""
