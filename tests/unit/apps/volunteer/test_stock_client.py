"""What the stock client's command line prints is read right."""

from __future__ import annotations

from apps.volunteer.stock_client import Task, parse_tasks

# As printed by boinccmd 7.20.5.
TASKS = """
======== Tasks ========
1) -----------
   name: kepler-9_g0_u000_0
   WU name: kepler-9_g0_u000
   project URL: http://127.0.0.1:8080/
   received: Mon Nov 23 06:50:50 2026
   report deadline: Mon Nov 30 06:50:50 2026
   ready to report: no
   state: downloaded
   scheduler state: scheduled
   active_task_state: EXECUTING
   app version num: 100
   resources: 1 CPU
   estimated CPU time remaining: 10.000000
   CPU time at last checkpoint: 1.500000
   current CPU time: 2.500000
   fraction done: 0.250000
   swap size: 100 MB
   working set size: 50 MB
   slot: 0
   PID: 4711
2) -----------
   name: kepler-9_g0_u001_0
   WU name: kepler-9_g0_u001
   state: uploading
   active_task_state: UNINITIALIZED
"""


def test_tasks() -> None:
    assert parse_tasks(TASKS) == [
        Task("kepler-9_g0_u000_0", "downloaded", "EXECUTING", 0.25, 2.5, 1.5, 4711),
        Task("kepler-9_g0_u001_0", "uploading", "UNINITIALIZED", 0.0, 0.0, 0.0, 0),
    ]


def test_no_tasks() -> None:
    assert parse_tasks("\n======== Tasks ========\n") == []
    assert parse_tasks("can't connect to localhost\n") == []
