"""How many scheduler RPCs a second the embedded default sustains: ``python bench/scheduler.py``.

Each RPC reports one finished task and asks for one, as a host in steady state does. The server is
started as ``openastro serve`` starts it (gunicorn, one worker process with threads, SQLite in WAL
mode with ``synchronous = FULL``), without the daemons. The load generator is a process of its own
on the same machine; it sends the request that the stock client 7.20.5 was recorded to send, with
the names changed, over a new connection each time, and checks every reply.

The stock server, on such a machine and generator included: 152 RPC/s with CGI, 363 with FastCGI and
a tuned feeder (5.5 ms CPU each, 12 SQL statements). These figures are quoted, not measured here.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from sqlalchemy import insert

from boinc_project.settings import SETTINGS_FILE, load_settings
from boinc_project.states import Outcome, ServerState
from server.db import Database, open_database
from server.models import (
    App,
    AppVersion,
    AppVersionFile,
    CampaignRow,
    Host,
    Result,
    User,
    Workunit,
    WorkunitFile,
)

HERE = Path(__file__).resolve().parent
RECORDED = HERE.parent / "tests/golden/protocol/report.xml"
PLATFORM = "x86_64-pc-linux-gnu"
STOCK = {"CGI": (152.0, None), "FastCGI, tuned feeder": (363.0, 5.5)}
"""RPC/s and CPU milliseconds of the stock server on a 2-core machine, generator included."""
COPIES = 2
CHUNK = 5000


def key_of(host: int) -> str:
    """Return the account key of a host's user."""
    return f"{host:032x}"


def populate(database: Database, *, hosts: int, workunits: int) -> None:
    """Fill the database: every host has an account of its own and one task in hand."""
    now = time.time()
    with database.write_connection() as connection:

        def add(table: type, rows: list[dict]) -> None:
            for start in range(0, len(rows), CHUNK):
                connection.execute(insert(table), rows[start : start + CHUNK])

        add(App, [{"id": 1, "name": "ttv_mcmc", "user_friendly_name": "TTV", "create_time": now}])
        version = {"id": 1, "appid": 1, "version_num": 100, "platform": PLATFORM}
        add(AppVersion, [version | {"flops": 1e9, "create_time": now}])
        file = {"app_version_id": 1, "nbytes": 1, "md5": "0" * 32, "sha256": "0" * 64}
        file |= {"signature": "\n".join(["ab" * 32] * 4 + ["."])}
        add(
            AppVersionFile,
            [
                file
                | {"name": "ttv_100", "open_name": "", "main_program": True, "executable": True},
                file
                | {
                    "name": "ttv_100.tar.gz",
                    "open_name": "ttv.tar.gz",
                    "main_program": False,
                    "executable": False,
                },
            ],
        )
        campaign = {"id": 1, "name": "bench", "title": "Bench", "appid": 1, "create_time": now}
        add(CampaignRow, [campaign | {"definition": b"{}"}])
        add(
            User,
            [
                {
                    "id": i,
                    "create_time": now,
                    "name": f"User {i}",
                    "email_addr": f"u{i}@example.org",
                    "passwd_hash": "unused",
                    "authenticator": key_of(i),
                    "cross_project_id": key_of(i),
                }
                for i in range(1, hosts + 1)
            ],
        )
        add(Host, [{"id": i, "userid": i, "create_time": now} for i in range(1, hosts + 1)])
        add(Workunit, [_workunit(i, now) for i in range(1, workunits + 1)])
        add(
            WorkunitFile,
            [
                {
                    "workunitid": i,
                    "name": name,
                    "open_name": open_name,
                    "nbytes": 1000,
                    "md5": "0" * 32,
                    "sha256": "0" * 64,
                }
                for i in range(1, workunits + 1)
                for name, open_name in (
                    (f"bench_g0_u{i}_unit.json", "unit.json"),
                    ("bench_transits.csv", "transits.csv"),
                )
            ],
        )
        add(Result, [_result(i, hosts, now) for i in range(workunits * COPIES)])
    with contextlib.closing(database.engine.raw_connection()) as raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _workunit(i: int, now: float) -> dict:
    return {
        "id": i,
        "name": f"bench_g0_u{i}",
        "appid": 1,
        "campaign_id": 1,
        "unit_index": i,
        "unit_digest": "0" * 64,
        "create_time": now,
        "rsc_fpops_est": 1.8e12,
        "rsc_fpops_bound": 1e15,
        "rsc_memory_bound": 1e8,
        "rsc_disk_bound": 1e8,
        "max_nbytes": 10**6,
        "delay_bound": 604800.0,
        "min_quorum": 2,
        "target_nresults": 2,
        "max_error_results": 3,
        "max_total_results": 8,
        "max_success_results": 6,
        "transition_time": 2.0**31 - 1,
    }


def _result(i: int, hosts: int, now: float) -> dict:
    """Return result number i; the first ones are on the hosts, in the order of their ids."""
    workunit, copy = i // COPIES + 1, i % COPIES
    name = f"bench_g0_u{workunit}_{copy}"
    sent = i < hosts
    return {
        "name": name,
        "workunitid": workunit,
        "appid": 1,
        "instance": copy,
        "create_time": now,
        "output_name": f"{name}_r00112233_0",
        "server_state": ServerState.IN_PROGRESS if sent else ServerState.UNSENT,
        "outcome": Outcome.INIT,
        "hostid": i + 1 if sent else None,
        "userid": i + 1 if sent else None,
        "app_version_id": 1 if sent else None,
        "sent_time": now if sent else None,
        "report_deadline": now + 604800 if sent else None,
    }


class Generator:
    """Hosts that report one task and ask for one, over and over."""

    def __init__(self, port: int, key: str, *, hosts: int, threads: int) -> None:
        self.address = ("127.0.0.1", port)
        self.hosts = hosts
        self.threads = threads
        text = RECORDED.read_text(encoding="latin-1")
        text = re.sub(r"<code_sign_key>.*</code_sign_key>", _block(key), text, flags=re.S)
        reports = list(re.finditer(r"<result>.*?</result>\n", text, flags=re.S))
        text = text[: reports[1].start()] + text[reports[1].end() :]  # one report, the good one
        for name, new in (
            ("authenticator", "@KEY@"),
            ("hostid", "@HOST@"),
            ("rpc_seqno", "@SEQNO@"),
            ("work_req_seconds", "1.000000"),
            ("cpu_req_secs", "1.000000"),
            ("cpu_req_instances", "0.000000"),
            ("host_cpid", "@KEY@"),
        ):
            text = re.sub(f"<{name}>[^<]*</{name}>", f"<{name}>{new}</{name}>", text, count=1)
        text = text.replace("<name>wu0_0</name>", "<name>@RESULT@</name>")
        self.parts = re.split("(@[A-Z]+@)", text)
        self.in_hand = {i + 1: _result(i, hosts, 0.0)["name"] for i in range(hosts)}
        self.seqno = dict.fromkeys(range(1, hosts + 1), 0)
        self.times: list[float] = []
        self.problems: list[str] = []
        self.refused = 0

    def run(self, seconds: float) -> None:
        """Send requests for some seconds."""
        end = time.perf_counter() + seconds
        workers = [threading.Thread(target=self._work, args=(n, end)) for n in range(self.threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    def _work(self, n: int, end: float) -> None:
        mine = range(n + 1, self.hosts + 1, self.threads)
        while True:
            for host in mine:
                start = time.perf_counter()
                if start >= end or self.problems:
                    return
                self._rpc(host)
                self.times.append(time.perf_counter() - start)

    def _rpc(self, host: int) -> None:
        values = {
            "@KEY@": key_of(host),
            "@HOST@": str(host),
            "@SEQNO@": str(self.seqno[host]),
            "@RESULT@": self.in_hand[host],
        }
        body = "".join([values.get(part, part) for part in self.parts]).encode("latin-1")
        head = (
            "POST /scheduler HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\nConnection: close\r\n"
            "User-Agent: BOINC client (x86_64-pc-linux-gnu 7.20.5)\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        with socket.create_connection(self.address, timeout=60) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(head.encode() + body)
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        self.seqno[host] += 1
        if b"<project_is_down/>" in answer:
            self.refused += 1
            return
        given = re.findall(rb"<result>\n<name>([^<]+)</name>", answer)
        acknowledged = f"<result_ack>\n<name>{self.in_hand[host]}</name>".encode() in answer
        whole = answer.endswith(b"</scheduler_reply>\n")
        if not (acknowledged and whole and len(given) == 1 and b"<hostid>" not in answer):
            self.problems.append(f"host {host}: {answer[-2000:].decode(errors='replace')}")
            return
        self.in_hand[host] = given[0].decode()


def _block(key: str) -> str:
    return f"<code_sign_key>\n{key.strip()}\n</code_sign_key>"


def generate(arguments: argparse.Namespace) -> int:
    """Be the load generator: warm up, measure, print what came of it as JSON."""
    key = Path(arguments.key).read_text()
    generator = Generator(
        arguments.generate, key, hosts=arguments.hosts, threads=arguments.connections
    )
    generator.run(arguments.warm_up)
    before = len(generator.times)
    cpu_before, start = cpu_seconds(arguments.server), time.perf_counter()
    generator.run(arguments.seconds)
    elapsed = time.perf_counter() - start
    cpu = cpu_seconds(arguments.server) - cpu_before
    if generator.problems:
        print(json.dumps({"problem": generator.problems[0]}))
        return 1
    times = sorted(generator.times[before:])
    print(
        json.dumps(
            {
                "rpcs": len(times),
                "refused": generator.refused,
                "seconds": elapsed,
                "cpu": cpu,
                "p50": times[len(times) // 2],
                "p95": times[int(len(times) * 0.95)],
                "p99": times[int(len(times) * 0.99)],
            }
        )
    )
    return 0


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process and its living descendants have used."""
    children: dict[int, list[int]] = {}
    used: dict[int, float] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError, IndexError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                children.setdefault(int(fields[1]), []).append(int(entry.name))
                used[int(entry.name)] = (int(fields[11]) + int(fields[12])) / os.sysconf(
                    "SC_CLK_TCK"
                )
    total, todo = 0.0, [pid]
    while todo:
        one = todo.pop()
        total += used.get(one, 0.0)
        todo += children.get(one, [])
    return total


def free_port() -> int:
    """Return a loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def measure(arguments: argparse.Namespace, root: Path) -> dict:
    """Make a project in `root`, serve it, load it; returns the generator's numbers."""
    project, keys, port = root / "project", root / "keys", free_port()
    openastro = [sys.executable, "-m", "server.cli", "--project", str(project)]
    url = f"http://127.0.0.1:{port}/"
    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    made = subprocess.run(
        [*openastro, "init", "--url", url, "--signing-keys", str(keys)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        raise SystemExit(f"openastro init failed: {made.stdout}{made.stderr}")
    started = time.perf_counter()
    database = open_database(load_settings(project / SETTINGS_FILE))
    populate(database, hosts=arguments.hosts, workunits=arguments.workunits)
    database.dispose()
    print(
        f"{arguments.hosts} hosts, {arguments.workunits} workunits, "
        f"{arguments.workunits * COPIES} results in {time.perf_counter() - started:.1f} s"
    )
    ready = root / "ready"
    command = [*openastro, "serve", "--no-daemons", "--once-ready-file", str(ready)]
    log = (root / "log").open("wb")
    server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        end = time.monotonic() + 60
        while not ready.exists():
            if server.poll() is not None or time.monotonic() > end:
                raise SystemExit((root / "log").read_text(errors="replace")[-3000:])
            time.sleep(0.1)
        load = [sys.executable, str(HERE / "scheduler.py"), "--generate", str(port)]
        load += ["--server", str(server.pid), "--key", str(project / "keys/code_sign_public")]
        for name in ("hosts", "connections", "seconds", "warm_up"):
            load += [f"--{name.replace('_', '-')}", str(getattr(arguments, name))]
        done = subprocess.run(load, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{done.stdout}{done.stderr}{(root / 'log').read_text()[-3000:]}")
        return dict(json.loads(done.stdout.splitlines()[-1]))
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)
        log.close()


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--hosts", type=int, default=10_000)
    parser.add_argument("--workunits", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=20.0, help="measured, after the warm-up")
    parser.add_argument("--warm-up", type=float, default=3.0, help="seconds before")
    parser.add_argument("--connections", type=int, default=6, help="requests under way at once")
    parser.add_argument("--directory", type=Path, help="keep the project here (default: temporary)")
    parser.add_argument("--generate", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--server", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--key", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.generate:
        return generate(arguments)
    with tempfile.TemporaryDirectory(prefix="openastro-bench-") as name:
        found = measure(arguments, arguments.directory or Path(name))
    rate = (found["rpcs"] - found["refused"]) / found["seconds"]
    cpu = 1000.0 * found["cpu"] / found["rpcs"]
    print(f"{'':32}{'RPC/s':>8}{'CPU ms':>8}{'p50 ms':>8}{'p95 ms':>8}{'p99 ms':>8}")
    percentiles = "".join(f"{1000 * found[p]:8.1f}" for p in ("p50", "p95", "p99"))
    print(f"{'openastro serve, SQLite':32}{rate:8.1f}{cpu:8.2f}{percentiles}")
    for label, (stock_rate, stock_cpu) in STOCK.items():
        shown = f"{stock_cpu:8.2f}" if stock_cpu else f"{'':8}"
        print(f"{'stock (quoted), ' + label:32}{stock_rate:8.1f}{shown}")
    print(
        f"Each RPC took one report and gave one task: {rate:.1f} jobs/s, {rate * 86400:,.0f} a day."
    )
    if found["refused"]:
        print(f"Refused as overload: {found['refused']} of {found['rpcs']}.")
    print(
        json.dumps(
            {
                "report_and_ask_per_s": round(rate, 1),
                "jobs_per_s": round(rate, 1),
                "cpu_ms_per_rpc": round(cpu, 3),
                "p50_ms": round(1000 * found["p50"], 2),
                "p95_ms": round(1000 * found["p95"], 2),
                "ratio_to_stock_fastcgi": round(rate / STOCK["FastCGI, tuned feeder"][0], 3),
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
