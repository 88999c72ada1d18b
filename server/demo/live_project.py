"""A project that is served by child processes, driven only from outside as people drive it.

The demo and the end-to-end tests use the same few steps: initialise, publish a signed app, serve,
make accounts, issue campaigns. Everything goes through the command line or over HTTP.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from boinc_project.errors import ConfigError, TransientError
from boinc_project.settings import SETTINGS_FILE, load_settings, settings_text

OPENASTRO = [sys.executable, "-m", "server.cli"]


class LiveProject:
    """One project directory and the server that serves it.

    Parameters
    ----------
    directory : Path
        The project's directory.
    port : int
        Loopback port of the web server.
    """

    def __init__(self, directory: Path, *, port: int) -> None:
        self.directory = directory.resolve()
        self.port = port
        self.url = f"http://127.0.0.1:{port}/"
        self.process: subprocess.Popen[bytes] | None = None

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run one ``openastro`` command on the project.

        Raises
        ------
        ConfigError
            If it fails; the message is what it said.
        """
        done = subprocess.run(
            [*OPENASTRO, "--project", str(self.directory), *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode != 0:
            words = (done.stderr or done.stdout).strip()
            raise ConfigError(f"openastro {' '.join(arguments)}: {words}", status=done.returncode)
        return done

    def initialise(self, changes: Mapping[str, Mapping[str, Any]], *, name: str) -> None:
        """Make the project, with some settings changed from their defaults."""
        subprocess.run(
            [*OPENASTRO, "init", str(self.directory), "--url", self.url, "--name", name],
            check=True,
            capture_output=True,
        )
        path = self.directory / SETTINGS_FILE
        settings = load_settings(path)
        sections = {"web": {"bind": f"127.0.0.1:{self.port}"}, **changes}
        update = {
            section: getattr(settings, section).model_copy(update=dict(values))
            for section, values in sections.items()
        }
        path.write_text(settings_text(settings.model_copy(update=update)), encoding="utf-8")

    def publish(self, apps: Path, *, keys: Path) -> None:
        """Sign every app version in `apps` with the key in `keys`, made if missing; publish it."""
        private = keys / "code_sign_private"
        if not private.exists():
            self.run("app", "keygen", str(keys))
        for version in sorted(path.parent for path in apps.glob("*/manifest.json")):
            self.run("app", "sign", str(version), "--key", str(private))
            self.run("app", "publish", str(version), "--public-key", str(keys / "code_sign_public"))

    def start(self, *, timeout: float = 60.0) -> None:
        """Start the server and wait until it answers."""
        with (self.directory / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*OPENASTRO, "--project", str(self.directory), "serve"],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            with contextlib.suppress(OSError):
                self.get("server_status.php?xml=1")
                return
            time.sleep(0.1)
        raise TransientError(f"The server does not answer. It says:\n{self.log()}")

    def stop(self, timeout: float = 30.0) -> None:
        """Stop the server and its daemons cleanly."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
        self.process = None

    def kill(self) -> None:
        """Kill the server and all its processes at once (SIGKILL)."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def log(self, size: int = 6000) -> str:
        """Return the end of what the server printed."""
        path = self.directory / "server.log"
        return path.read_text(errors="replace")[-size:] if path.exists() else ""

    def get(self, path: str) -> bytes:
        """Fetch a page, following the project's own URL."""
        with urllib.request.urlopen(self.url + path, timeout=30) as reply:  # noqa: S310
            return bytes(reply.read())

    def json(self, path: str) -> Any:
        """Fetch a JSON document of the API."""
        return json.loads(self.get(f"api/v1/{path}"))

    def create_account(self, name: str, email: str, password: str) -> str:
        """Make an account as a client does, and return its key.

        Raises
        ------
        ConfigError
            If the server refuses.
        """
        hashed = hashlib.md5(f"{password}{email.lower()}".encode()).hexdigest()
        query = urllib.parse.urlencode(
            {"email_addr": email, "passwd_hash": hashed, "user_name": name}
        )
        reply = self.get(f"create_account.php?{query}").decode()
        key = re.search(r"<authenticator>(\w+)</authenticator>", reply)
        if key is None:
            raise ConfigError(f"The server did not make an account: {reply.strip()}")
        return key[1]

    def issue(self, campaign_file: Path, *, show: bool = False) -> None:
        """Issue a campaign; with `show`, its progress goes to the terminal.

        Raises
        ------
        ConfigError
            If it is refused.
        """
        # Volunteers would prepare it, too, but each of them for a quorum: here it is done once.
        arguments = ("campaign", "issue", str(campaign_file), "--here")
        if not show:
            self.run(*arguments)
            return
        command = [*OPENASTRO, "--project", str(self.directory), *arguments]
        done = subprocess.run(command, check=False)
        if done.returncode != 0:
            raise ConfigError(f"{campaign_file} could not be issued; see above.")

    def campaign(self, name: str) -> dict[str, Any]:
        """Return a campaign's state and progress, from the API."""
        return dict(self.json(f"campaigns/{name}"))
