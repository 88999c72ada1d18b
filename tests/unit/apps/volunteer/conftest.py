"""A small project on loopback, with the faults that networks have."""

from __future__ import annotations

import hashlib
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from boinc_project.protocol.reply import (
    AppInfo,
    AppVersionInfo,
    DownloadFile,
    FileRef,
    OutputFile,
    ResultInfo,
    SchedulerReply,
    WorkunitInfo,
)
from boinc_project.protocol.request import SchedulerRequest
from boinc_project.protocol.request_parser import parse_scheduler_request
from boinc_project.protocol.upload import (
    FileSizeRequest,
    UploadReply,
    UploadStatus,
    read_upload_request,
)
from boinc_project.signing import generate_key, sign
from boinc_project.unit import Unit, seal

ROOT = Path(__file__).resolve().parents[4]
TINY = ROOT / "tests" / "unit" / "apps" / "runtime" / "data"
PLATFORM = "x86_64-pc-linux-gnu"
PROGRAM = f"""#!/bin/sh
export PYTHONPATH={TINY}:{ROOT}
exec {sys.executable} -c 'from apps.main import main; main("tiny_app:Tiny")'
"""


@dataclass
class Project:
    """What the server knows, what it was told, and the faults it still has in store."""

    url: str
    directory: Path
    program: str = PROGRAM
    jobs: list[str] = field(default_factory=list)
    settings: dict[str, object] = field(default_factory=lambda: {"n_step": 20})
    request_delay: float = 0.0
    hostid: int = 42
    aborts: list[str] = field(default_factory=list)
    requests: list[SchedulerRequest] = field(default_factory=list)
    uploads: dict[str, bytes] = field(default_factory=dict)
    ranges: list[str] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    faults: dict[str, list[str]] = field(default_factory=dict)
    app_signature: str | None = None
    max_nbytes: int = 100_000

    def __post_init__(self) -> None:
        self.key = generate_key()

    def fault(self, kind: str) -> str:
        """Take the next fault of a kind of request: "", "500", "404", "cut"."""
        left = self.faults.get(kind, [])
        return left.pop(0) if left else ""

    def reply(self, request: SchedulerRequest) -> SchedulerReply:
        new = [self.jobs.pop(0)] if self.jobs and request.work.wanted else []
        work = [self._work(name) for name in new]
        name = f"tiny_app_100_{PLATFORM}"
        self._write(name, self.program.encode())
        signature = sign(self.program.encode(), self.key)
        if self.app_signature is not None:
            signature = self.app_signature
        app_file = DownloadFile(
            name,
            f"{self.url}download/{name}",
            len(self.program),
            signature=signature,
            executable=True,
        )
        app_files = (FileRef(name, main_program=True),)
        version = AppVersionInfo("tiny_app", 100, PLATFORM, 1e9, app_files)
        return SchedulerReply(
            master_url=self.url,
            project_name="Test",
            request_delay=self.request_delay,
            hostid=self.hostid if request.hostid == 0 else None,
            code_sign_key="" if request.code_sign_key else self.key.public.to_text().strip(),
            apps=(AppInfo("tiny_app", "Tiny"),),
            files=(app_file, *(file for files, *_ in work for file in files)),
            app_versions=(version,),
            workunits=tuple(workunit for _, workunit, _ in work),
            results=tuple(result for *_, result in work),
            result_acks=tuple(result.name for result in request.results),
            result_aborts=tuple(self.aborts),
        )

    def _work(self, name: str):  # type: ignore[no-untyped-def]
        numbers = f"numbers of {name}".encode()
        inputs = {"numbers.txt": hashlib.sha256(numbers).hexdigest()}
        unit = Unit("tiny", 100, "c", 7, 0, 1, self.settings, inputs)
        files: list[DownloadFile | OutputFile] = []
        seal(unit, {"numbers.txt": numbers}, self.directory / name)
        for path in sorted((self.directory / name).iterdir()):
            data = path.read_bytes()
            physical = self._write(f"{name}_{path.name}", data)
            url = f"{self.url}download/{physical}"
            files.append(DownloadFile(physical, url, len(data), md5=hashlib.md5(data).hexdigest()))
        refs = tuple(FileRef(f.name, f.name.removeprefix(f"{name}_")) for f in files)
        workunit = WorkunitInfo(name, "tiny_app", 1e9, 1e15, 1e8, 1e8, refs)
        output = OutputFile(f"{name}_0_r1_0", self.max_nbytes, f"{self.url}file_upload_handler")
        result = ResultInfo(
            f"{name}_0", name, 2**31 - 1, PLATFORM, 100, (FileRef(output.name, "output.h5"),)
        )
        return [*files, output], workunit, result

    def _write(self, name: str, data: bytes) -> str:
        (self.directory / name).write_bytes(data)
        return name


class Handler(BaseHTTPRequestHandler):
    project: Project

    def do_GET(self) -> None:
        if self.path == "/":
            page = f'<html>\n<link rel="boinc_scheduler" href="{self.project.url}sched">\n</html>'
            self._answer(page.encode(), self.project.fault("master"))
            return
        name = self.path.rpartition("/")[2]
        data = (self.project.directory / name).read_bytes()
        asked = self.headers.get("Range", "")
        self.project.ranges.append(asked)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        self._answer(data[start:], self.project.fault("download"), status=206 if asked else 200)

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        if self.path == "/sched":
            request = parse_scheduler_request(self.rfile.read(length))
            self.project.requests.append(request)
            fault = self.project.fault("sched")
            self._answer(b"" if fault else self.project.reply(request).to_bytes(), fault)
            return
        self._upload(length)

    def _upload(self, length: int) -> None:
        body = Body(self.rfile, length)
        request, first = read_upload_request(body)
        stored = self.project.uploads.get(request.name, b"")
        fault = self.project.fault("upload")
        if isinstance(request, FileSizeRequest):
            self._reply(UploadReply(UploadStatus.STORED, file_size=len(stored)))
            return
        self.project.offsets.append(request.offset)
        data = first + body.read(length)
        if fault == "cut":
            self.project.uploads[request.name] = stored[: request.offset] + data[: len(data) // 2]
            self.close_connection = True
            return
        if fault == "refuse":
            self._reply(UploadReply(UploadStatus.PERMANENT, "not wanted"))
            return
        whole = stored[: request.offset] + data
        self.project.uploads[request.name] = whole
        assert hashlib.md5(whole).hexdigest() == request.md5
        self._reply(UploadReply(UploadStatus.STORED))

    def _reply(self, reply: UploadReply) -> None:
        self._answer(reply.to_bytes(), "")

    def _answer(self, data: bytes, fault: str, *, status: int = 200) -> None:
        if fault.isdigit():
            self.send_error(int(fault))
            return
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if fault == "cut" else data)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


class Body:
    """A request's body, and no byte more."""

    def __init__(self, stream: object, length: int) -> None:
        self._stream, self._left = stream, length

    def read(self, size: int, /) -> bytes:
        data = self._stream.read(min(size, self._left))  # type: ignore[attr-defined]
        self._left -= len(data)
        return bytes(data)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    directory = tmp_path / "server"
    directory.mkdir()
    handler = type("BoundHandler", (Handler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    handler.project = Project(f"http://127.0.0.1:{server.server_port}/", directory)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield handler.project
    server.shutdown()
    thread.join()
    server.server_close()
