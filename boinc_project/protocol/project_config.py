"""What attach wizards ask a project first (``html/user/get_project_config.php``)."""

from __future__ import annotations

from dataclasses import dataclass

from boinc_project.protocol.text import element

PLATFORM_NAMES = {
    "x86_64-pc-linux-gnu": "Linux running on an AMD x86_64 or Intel EM64T CPU",
    "aarch64-unknown-linux-gnu": "Linux running on ARM, 64-bit",
    "windows_x86_64": "Microsoft Windows running on an AMD x86_64 or Intel EM64T CPU",
    "x86_64-apple-darwin": "Intel 64-bit Mac OS 10.5 or later",
    "arm64-apple-darwin": "Mac OS running on ARM",
}
"""What people call the platforms that this project knows."""


@dataclass(frozen=True, slots=True)
class ProjectConfig:
    """The project's answer.

    Attributes
    ----------
    name, master_url : str
        As in every scheduler reply; the wizard attaches to this very URL.
    min_passwd_length : int
        Shortest password that the wizard lets through.
    account_creation : bool
        Whether new accounts may be made.
    platforms : tuple[str, ...]
        Platforms with a usable app version; the wizard warns when none fits.
    """

    name: str
    master_url: str
    min_passwd_length: int = 6
    account_creation: bool = True
    platforms: tuple[str, ...] = ()

    def to_bytes(self) -> bytes:
        """Return the body of the answer."""
        lines = [
            '<?xml version="1.0" encoding="UTF-8" ?>\n<project_config>\n',
            element("name", self.name),
            element("master_url", self.master_url),
            element("web_rpc_url_base", self.master_url),
            element("min_passwd_length", self.min_passwd_length),
            element("web_stopped", 0),
            element("sched_stopped", 0),
        ]
        if not self.account_creation:
            lines.append("<account_creation_disabled/>\n<client_account_creation_disabled/>\n")
        lines.append("<platforms>\n")
        for name in self.platforms:
            lines += ["<platform>\n", element("platform_name", name)]
            friendly = PLATFORM_NAMES.get(name, name)
            lines += [element("user_friendly_name", friendly), "</platform>\n"]
        lines.append("</platforms>\n</project_config>\n")
        return "".join(lines).encode()
