"""The scheduler's reply as a value, and its text.

The client reads it line by line and treats unknown elements as transparent (``client/
scheduler_op.cpp``, ``lib/parse.cpp``): nothing is indented, nothing is wrapped, flags are repeated
in every reply because an absent flag is switched off again.
"""

from __future__ import annotations

from dataclasses import dataclass

from boinc_project.protocol.text import block, element, escape, number

SCHEDULER_VERSION = 802
"""The stock scheduler release (100 * major + minor) whose protocol this is."""


@dataclass(frozen=True, slots=True)
class Message:
    """A line in the volunteer's event log."""

    text: str
    priority: str = "low"
    """``low``: event log; ``notice``: shown as a notice, for what the volunteer must act on."""


@dataclass(frozen=True, slots=True)
class GuiUrl:
    """A button in the BOINC Manager."""

    name: str
    description: str
    url: str


@dataclass(frozen=True, slots=True)
class AppInfo:
    """``<app>``."""

    name: str
    user_friendly_name: str


@dataclass(frozen=True, slots=True)
class DownloadFile:
    """``<file_info>`` of a file that the client fetches.

    Attributes
    ----------
    name : str
        Physical name; never reused for other bytes.
    url : str
        Where it is.
    nbytes : int
        Exact size.
    md5 : str
        For input files; app files are checked by their signature instead.
    signature : str
        Code signature block; every file of an app version needs one.
    executable : bool
        Whether the client sets the execute permission.
    """

    name: str
    url: str
    nbytes: int
    md5: str = ""
    signature: str = ""
    executable: bool = False

    def text(self) -> str:
        """Return the element."""
        lines = ["<file_info>\n", element("name", self.name), element("url", self.url)]
        if self.executable:
            lines.append("<executable/>\n")
        if self.signature:
            lines.append(block("file_signature", self.signature))
        if self.md5:
            lines.append(element("md5_cksum", self.md5))
        lines += [element("nbytes", self.nbytes), "</file_info>\n"]
        return "".join(lines)


@dataclass(frozen=True, slots=True)
class OutputFile:
    """``<file_info>`` of a file that the client uploads.

    Attributes
    ----------
    name : str
        Physical name, with a random part.
    max_nbytes : int
        Larger outputs fail on the host.
    url : str
        The upload handler.
    certificate : str
        Signature block of the upload certificate; empty for none.
    """

    name: str
    max_nbytes: int
    url: str
    certificate: str = ""

    def text(self) -> str:
        """Return the element."""
        lines = ["<file_info>\n", element("name", self.name)]
        lines += ["<generated_locally/>\n<upload_when_present/>\n"]
        lines += [element("max_nbytes", self.max_nbytes), element("url", self.url)]
        if self.certificate:
            lines.append(block("xml_signature", self.certificate))
        return "".join(lines) + "</file_info>\n"


@dataclass(frozen=True, slots=True)
class FileRef:
    """``<file_ref>``: what a file is called in the slot directory."""

    file_name: str
    open_name: str = ""
    main_program: bool = False
    copy_file: bool = False

    def text(self) -> str:
        """Return the element."""
        lines = ["<file_ref>\n", element("file_name", self.file_name)]
        if self.open_name:
            lines.append(element("open_name", self.open_name))
        if self.main_program:
            lines.append("<main_program/>\n")
        if self.copy_file:
            lines.append("<copy_file/>\n")
        return "".join(lines) + "</file_ref>\n"


@dataclass(frozen=True, slots=True)
class AppVersionInfo:
    """``<app_version>``; `flops` is in FLOP/s, for estimates and the elapsed-time limit."""

    app_name: str
    version_num: int
    platform: str
    flops: float
    files: tuple[FileRef, ...]
    plan_class: str = ""
    api_version: str = "7.5.0"
    avg_ncpus: float = 1.0

    def text(self) -> str:
        """Return the element."""
        lines = ["<app_version>\n", element("app_name", self.app_name)]
        lines += [element("version_num", self.version_num), element("platform", self.platform)]
        lines += [
            element("avg_ncpus", number(self.avg_ncpus)),
            element("flops", number(self.flops)),
        ]
        if self.plan_class:
            lines.append(element("plan_class", self.plan_class))
        lines.append(element("api_version", self.api_version))
        lines += [file_ref.text() for file_ref in self.files]
        return "".join(lines) + "</app_version>\n"


@dataclass(frozen=True, slots=True)
class WorkunitInfo:
    """``<workunit>``; bounds in floating-point operations and bytes."""

    name: str
    app_name: str
    rsc_fpops_est: float
    rsc_fpops_bound: float
    rsc_memory_bound: float
    rsc_disk_bound: float
    files: tuple[FileRef, ...]
    command_line: str = ""

    def text(self) -> str:
        """Return the element."""
        lines = ["<workunit>\n", element("name", self.name), element("app_name", self.app_name)]
        if self.command_line:
            lines.append(element("command_line", self.command_line))
        lines += [
            element("rsc_fpops_est", number(self.rsc_fpops_est)),
            element("rsc_fpops_bound", number(self.rsc_fpops_bound)),
            element("rsc_memory_bound", number(self.rsc_memory_bound)),
            element("rsc_disk_bound", number(self.rsc_disk_bound)),
        ]
        lines += [file_ref.text() for file_ref in self.files]
        return "".join(lines) + "</workunit>\n"


@dataclass(frozen=True, slots=True)
class ResultInfo:
    """``<result>``: one task; `report_deadline` in epoch seconds."""

    name: str
    wu_name: str
    report_deadline: int
    platform: str
    version_num: int
    files: tuple[FileRef, ...]
    plan_class: str = ""

    def text(self) -> str:
        """Return the element."""
        lines = ["<result>\n", element("name", self.name), element("wu_name", self.wu_name)]
        lines += [
            element("report_deadline", self.report_deadline),
            element("platform", self.platform),
            element("version_num", self.version_num),
            element("plan_class", self.plan_class),
        ]
        lines += [file_ref.text() for file_ref in self.files]
        return "".join(lines) + "</result>\n"


@dataclass(frozen=True, slots=True)
class Account:
    """What the client shows of the volunteer and keeps in its statistics."""

    userid: int
    user_name: str
    user_create_time: int = 0
    user_total_credit: float = 0.0
    user_expavg_credit: float = 0.0
    host_total_credit: float = 0.0
    host_expavg_credit: float = 0.0
    host_venue: str = ""
    host_create_time: int = 0
    email_hash: str = ""
    cross_project_id: str = ""
    external_cpid: str = ""

    def text(self) -> str:
        """Return the elements."""
        return "".join(
            [
                element("userid", self.userid),
                element("user_name", self.user_name),
                element("user_total_credit", number(self.user_total_credit)),
                element("user_expavg_credit", number(self.user_expavg_credit)),
                element("user_create_time", self.user_create_time),
                element("host_total_credit", number(self.host_total_credit)),
                element("host_expavg_credit", number(self.host_expavg_credit)),
                element("host_venue", self.host_venue),
                element("host_create_time", self.host_create_time),
                element("email_hash", self.email_hash),
                element("cross_project_id", self.cross_project_id),
                element("external_cpid", self.external_cpid),
            ]
        )


@dataclass(frozen=True, slots=True)
class SchedulerReply:
    """All that a scheduler can answer.

    Attributes
    ----------
    master_url : str
        Exactly what the client attached to: any other makes new clients drop all their work.
    project_name : str
        Shown to the volunteer.
    request_delay : float
        Seconds before which the client does not come back by itself.
    messages : tuple[Message, ...]
        Lines for the event log.
    account : Account or None
        None when the account key was refused.
    hostid : int or None
        Only when it is new or has changed: a client that has one and is given one takes itself for
        a copy and starts anew.
    code_sign_key, code_sign_key_signature : str
        Key text, and the old key's signature over it; see PROTOCOL notes in ``docs``.
    apps, app_versions, files, workunits, results
        The work.
    result_acks : tuple[str, ...]
        Reports received.
    result_aborts, result_aborts_if_not_started : tuple[str, ...]
        Tasks that are not wanted any more.
    message_ack : bool
        All trickle-up messages are stored.
    gui_urls : tuple[GuiUrl, ...]
        Buttons of the Manager.
    next_rpc_delay : float or None
        The client comes back no later than this, even with nothing to say.
    project_is_down : bool
        The client ignores the whole rest, acknowledgements included.
    """

    master_url: str
    project_name: str
    request_delay: float
    messages: tuple[Message, ...] = ()
    account: Account | None = None
    hostid: int | None = None
    code_sign_key: str = ""
    code_sign_key_signature: str = ""
    apps: tuple[AppInfo, ...] = ()
    files: tuple[DownloadFile | OutputFile, ...] = ()
    app_versions: tuple[AppVersionInfo, ...] = ()
    workunits: tuple[WorkunitInfo, ...] = ()
    results: tuple[ResultInfo, ...] = ()
    result_acks: tuple[str, ...] = ()
    result_aborts: tuple[str, ...] = ()
    result_aborts_if_not_started: tuple[str, ...] = ()
    message_ack: bool = False
    gui_urls: tuple[GuiUrl, ...] = ()
    next_rpc_delay: float | None = None
    project_is_down: bool = False

    def to_bytes(self) -> bytes:
        """Return the body of the answer."""
        lines = ["<scheduler_reply>\n", element("scheduler_version", SCHEDULER_VERSION)]
        # Absent flags are switched off again, so this one is in every reply: our estimates are
        # measured, and the client's correction factor would only disturb them.
        lines.append("<dont_use_dcf/>\n")
        lines += [element("master_url", self.master_url)]
        lines += [element("request_delay", number(self.request_delay))]
        lines += [element("project_name", self.project_name)]
        if self.project_is_down:
            lines.append("<project_is_down/>\n")
        if self.next_rpc_delay is not None:
            lines.append(element("next_rpc_delay", number(self.next_rpc_delay)))
        lines += [
            f'<message priority="{message.priority}">{escape(message.text[:1000])}</message>\n'
            for message in self.messages
        ]
        if self.account is not None:
            lines.append(self.account.text())
        if self.hostid is not None:
            lines.append(element("hostid", self.hostid))
        if self.code_sign_key:
            lines.append(block("code_sign_key", self.code_sign_key))
        if self.code_sign_key_signature:
            lines.append(block("code_sign_key_signature", self.code_sign_key_signature))
        if self.gui_urls:
            lines.append(self._gui_urls())
        lines += self._acknowledgements()
        lines += self._work()
        lines.append("</scheduler_reply>\n")
        return "".join(lines).encode()

    def _gui_urls(self) -> str:
        lines = ["<gui_urls>\n"]
        for url in self.gui_urls:
            lines += ["<gui_url>\n", element("name", url.name)]
            lines += [element("description", url.description), element("url", url.url)]
            lines.append("</gui_url>\n")
        return "".join(lines) + "</gui_urls>\n"

    def _acknowledgements(self) -> list[str]:
        groups = (
            ("result_ack", self.result_acks),
            ("result_abort", self.result_aborts),
            ("result_abort_if_not_started", self.result_aborts_if_not_started),
        )
        lines = [
            f"<{kind}>\n{element('name', name)}</{kind}>\n"
            for kind, names in groups
            for name in names
        ]
        return [*lines, "<message_ack/>\n"] if self.message_ack else lines

    def _work(self) -> list[str]:
        lines = []
        for app in self.apps:
            lines += ["<app>\n", element("name", app.name)]
            lines += [element("user_friendly_name", app.user_friendly_name), "</app>\n"]
        for group in (self.files, self.app_versions, self.workunits, self.results):
            lines += [item.text() for item in group]
        return lines
