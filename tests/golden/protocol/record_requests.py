"""Record the stock client's own requests: ``python tests/golden/protocol/record_requests.py``.

A throwaway project on loopback gives a private client two tasks, one of which cannot be downloaded.
What the client sends is scrubbed of this machine's identity and written beside this file, where
``test_recorded_requests.py`` reads it. The requests are facts about the client, not about our
server: record them anew only for a new client version.
"""

from __future__ import annotations

import hashlib
import http.server
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from boinc_project.protocol import reply
from boinc_project.signing import generate_key, sign, sign_upload

HERE = Path(__file__).parent
KEY = "0123456789abcdef0123456789abcdef"
PLATFORM = "x86_64-pc-linux-gnu"
PROGRAM = b"""#!/bin/sh
cat in > out
printf 'said <result> & caf\\303\\251\\n' >&2
sleep 2
echo 0 > boinc_finish_called
exit 0
"""
INPUT = b"hello\n"
CONFIG = """<cc_config><log_flags><sched_op_debug>1</sched_op_debug></log_flags><options>
<no_info_fetch>1</no_info_fetch><dont_contact_ref_site>1</dont_contact_ref_site>
<skip_cpu_benchmarks>1</skip_cpu_benchmarks><no_gpus>1</no_gpus><start_delay>0</start_delay>
<report_results_immediately>1</report_results_immediately>
<suppress_net_info>1</suppress_net_info></options></cc_config>
"""
PREFERENCES = """<global_preferences><run_on_batteries>1</run_on_batteries>
<run_if_user_active>1</run_if_user_active><suspend_cpu_usage>0</suspend_cpu_usage>
<work_buf_min_days>0</work_buf_min_days><work_buf_additional_days>0</work_buf_additional_days>
<disk_max_used_gb>0</disk_max_used_gb><disk_max_used_pct>100</disk_max_used_pct>
<disk_min_free_gb>0</disk_min_free_gb><leave_apps_in_memory>1</leave_apps_in_memory>
</global_preferences>
"""
SCRUBBED = {
    "domain_name": "observatory",
    "ip_addr": "192.0.2.7",
    "host_cpid": "00112233445566778899aabbccddeeff",
    "mac_address": "02:00:00:00:00:01",
    "product_name": "Computer",
    "p_vendor": "GenuineIntel",
    "p_model": "Example CPU @ 3.00GHz [Family 6 Model 85 Stepping 7]",
    "p_features": "fpu vme sse sse2 avx avx2",
    "os_version": "Debian GNU/Linux 12 (bookworm) [6.1.0|libc 2.36]",
    "external_cpid": "00112233445566778899aabbccddeeff",
}


class Project:
    """The throwaway project: two tasks at the first request, acknowledgements after that."""

    def __init__(self) -> None:
        self.code_key, self.upload_key = generate_key(), generate_key()
        self.requests: list[bytes] = []
        self.uploads: list[bytes] = []
        self.seen: list[str] = []
        self.url = ""

    def download(self, path: str) -> bytes | None:
        """Return what lies under a path."""
        return {"/": self._page(), "/download/uc_100": PROGRAM, "/download/wu0_in": INPUT}.get(path)

    def _page(self) -> bytes:
        return f'<link rel="boinc_scheduler" href="{self.url}sched">\n'.encode()

    def schedule(self, body: bytes) -> bytes:
        """Answer a scheduler request."""
        self.requests.append(body)
        names = re.findall(rb"<result>\s*<name>([^<]+)</name>", body)
        answer = reply.SchedulerReply(
            self.url,
            "Recorder",
            1.0,
            account=reply.Account(1, "Ann"),
            result_acks=tuple(dict.fromkeys(name.decode() for name in names)),
            next_rpc_delay=5.0,
        )
        return (self._work() if len(self.requests) == 1 else answer).to_bytes()

    def _work(self) -> reply.SchedulerReply:
        program = reply.DownloadFile(
            "uc_100",
            f"{self.url}download/uc_100",
            len(PROGRAM),
            signature=sign(PROGRAM, self.code_key),
            executable=True,
        )
        files: list[reply.DownloadFile | reply.OutputFile] = [program]
        workunits, results = [], []
        for i in range(2):
            files.append(
                reply.DownloadFile(
                    f"wu{i}_in",
                    f"{self.url}download/wu{i}_in",
                    len(INPUT),
                    md5=hashlib.md5(INPUT).hexdigest(),
                )
            )
            out = f"wu{i}_0_r55_0"
            certificate = sign_upload(out, 50000, self.upload_key)
            files.append(
                reply.OutputFile(out, 50000, f"{self.url}file_upload_handler", certificate)
            )
            inputs = (reply.FileRef(f"wu{i}_in", "in", copy_file=True),)
            outputs = (reply.FileRef(out, "out", copy_file=True),)
            workunits.append(reply.WorkunitInfo(f"wu{i}", "uc", 1e9, 1e15, 1e8, 1e8, inputs))
            deadline = int(time.time()) + 86400
            results.append(reply.ResultInfo(f"wu{i}_0", f"wu{i}", deadline, PLATFORM, 100, outputs))
        refs = (reply.FileRef("uc_100", main_program=True),)
        return reply.SchedulerReply(
            self.url,
            "Recorder",
            1.0,
            account=reply.Account(1, "Ann"),
            hostid=42,
            code_sign_key=self.code_key.public.to_text(),
            apps=(reply.AppInfo("uc", "Upper case"),),
            files=tuple(files),
            app_versions=(reply.AppVersionInfo("uc", 100, PLATFORM, 1e9, refs),),
            workunits=tuple(workunits),
            results=tuple(results),
            next_rpc_delay=5.0,
        )


def handler(project: Project) -> type[http.server.BaseHTTPRequestHandler]:
    """Return the request handler of `project`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            project.seen.append(self.path)
            data = project.download(self.path)
            self._answer(404 if data is None else 200, data or b"no\n")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path.endswith("file_upload_handler"):
                project.uploads.append(body)
                self._answer(200, b"<data_server_reply><status>0</status></data_server_reply>\n")
            else:
                self._answer(200, project.schedule(body))

        def _answer(self, status: int, data: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: object) -> None:
            pass

    return Handler


def scrub(body: bytes, project: Project) -> bytes:
    """Take this machine's identity and this run's times out of a request."""
    text = body.decode("latin-1").replace(project.url, "http://127.0.0.1:8080/")
    text = text.replace(project.url[7:-1].replace(":", "_"), "127.0.0.1_8080")
    for name, value in SCRUBBED.items():
        text = re.sub(f"<{name}>[^<]*</{name}>", f"<{name}>{value}</{name}>", text)
    text = re.sub(r"(?m)^(\s*<(?:OPENCL|opencl|virtualbox|docker).*\n)", "", text)
    return text.encode("latin-1")


def wanted(project: Project) -> dict[str, bytes]:
    """Return the requests to keep, by file name."""
    kept = {"attach.xml": project.requests[0]} if project.requests else {}
    for body in project.requests[1:]:
        results = re.findall(rb"<result>.*?<state>(\d)</state>", body, re.DOTALL)
        if b"5" in results and b"1" in results:
            kept.setdefault("report.xml", body)
        if b"<result>" not in body and b"<other_result>" in body:
            kept.setdefault("in_progress.xml", body)
    if project.uploads:
        kept["upload.bin"] = project.uploads[0]
    return kept


NEEDED = {"attach.xml", "in_progress.xml", "report.xml", "upload.bin"}


def main() -> int:
    """Record, scrub, write."""
    project = Project()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler(project))
    project.url = f"http://127.0.0.1:{server.server_port}/"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "cc_config.xml").write_text(CONFIG)
        (directory / "global_prefs_override.xml").write_text(PREFERENCES)
        command = ["boinc", "--dir", name, "--allow_multiple_clients", "--gui_rpc_port", "31977"]
        command += ["--sched_retry_delay_min", "1", "--sched_retry_delay_max", "2"]
        command += ["--attach_project", project.url, KEY]
        with (directory / "log").open("wb") as log:
            client = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            end = time.monotonic() + 120
            while not wanted(project).keys() >= NEEDED and time.monotonic() < end:
                time.sleep(0.5)
        finally:
            client.terminate()
            client.wait(60)
        missing = NEEDED - wanted(project).keys()
        if missing:
            print((directory / "log").read_text(errors="replace")[-6000:])
            print(f"Not recorded: {', '.join(sorted(missing))}.")
            return 1
    server.shutdown()
    for file, body in wanted(project).items():
        (HERE / file).write_bytes(scrub(body, project))
        print(f"{file}: {len(body)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
