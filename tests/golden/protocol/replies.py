"""The replies that are kept: ``python tests/golden/protocol/replies.py`` writes them anew.

A difference means that clients read something else than before. Write them anew only when that is
meant, and try the stock client.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from boinc_project.protocol.account import AccountError, AccountErrorReply, AccountReply
from boinc_project.protocol.project_config import ProjectConfig
from boinc_project.protocol.reply import (
    Account,
    AppInfo,
    AppVersionInfo,
    DownloadFile,
    FileRef,
    GuiUrl,
    Message,
    OutputFile,
    ResultInfo,
    SchedulerReply,
    WorkunitInfo,
)
from boinc_project.protocol.upload import UploadReply, UploadStatus

DIRECTORY = Path(__file__).parent / "replies"
URL = "http://127.0.0.1:8080/"
SIGNATURE = "\n".join([digit * 64 for digit in "0123"] + ["."]) + "\n"
KEY = "1024\n" + "\n".join([digit * 64 for digit in "01234567"] + ["."]) + "\n"
LINUX = "x86_64-pc-linux-gnu"
ACCOUNT = Account(
    userid=1,
    user_name="Ann & Bob",
    user_create_time=1700000000,
    user_total_credit=1234.5,
    user_expavg_credit=0.25,
    host_create_time=1700000001,
    email_hash="0" * 32,
    cross_project_id="1" * 32,
    external_cpid="2" * 32,
)


def work() -> SchedulerReply:
    """Return a first reply with one task."""
    return SchedulerReply(
        master_url=URL,
        project_name="OpenAstro@home",
        request_delay=11.0,
        account=ACCOUNT,
        hostid=42,
        code_sign_key=KEY,
        apps=(AppInfo("ttv_mcmc", "Transit-timing inference"),),
        files=(
            DownloadFile("ttv_100", f"{URL}download/ttv_100", 345, "", SIGNATURE, True),
            DownloadFile("ttv_100.tar.gz", f"{URL}download/ttv_100.tar.gz", 9, "", SIGNATURE),
            DownloadFile("k9_u0_unit.json", f"{URL}download/1f6/k9_u0_unit.json", 17, "a" * 32),
            OutputFile("k9_u0_0_r1f_0", 10**6, f"{URL}file_upload_handler", SIGNATURE),
        ),
        app_versions=(
            AppVersionInfo(
                "ttv_mcmc",
                100,
                LINUX,
                3.5e9,
                (FileRef("ttv_100", main_program=True), FileRef("ttv_100.tar.gz", "app.tar.gz")),
            ),
        ),
        workunits=(
            WorkunitInfo(
                "k9_u0",
                "ttv_mcmc",
                3e12,
                3e15,
                1e9,
                5e8,
                (FileRef("k9_u0_unit.json", "unit.json"),),
            ),
        ),
        results=(
            ResultInfo(
                "k9_u0_0", "k9_u0", 1700604800, LINUX, 100, (FileRef("k9_u0_0_r1f_0", "output.h5"),)
            ),
        ),
        gui_urls=(GuiUrl("Your account", "Your credit", f"{URL}account?a=1&b=2"),),
    )


def no_work() -> SchedulerReply:
    """Return a reply to reports, with aborts, a changed key and a reason for no work."""
    return SchedulerReply(
        master_url=URL,
        project_name="OpenAstro@home",
        request_delay=60.0,
        next_rpc_delay=60.0,
        messages=(Message("No work is available at present."), Message("A <notice>.", "notice")),
        account=ACCOUNT,
        code_sign_key=KEY,
        code_sign_key_signature=SIGNATURE,
        result_acks=("k9_u0_0", "k9_u1_0"),
        result_aborts=("k9_u2_0",),
        result_aborts_if_not_started=("k9_u3_0",),
        message_ack=True,
    )


def texts() -> Mapping[str, bytes]:
    """Return all replies by the name of their file."""
    down = SchedulerReply(URL, "OpenAstro@home", 123.5, (Message("Busy."),), project_is_down=True)
    return {
        "work.xml": work().to_bytes(),
        "no_work.xml": no_work().to_bytes(),
        "down.xml": down.to_bytes(),
        "account.xml": AccountReply("0123456789abcdef" * 2).to_bytes(),
        "account_exists.xml": AccountReply().to_bytes(),
        "account_error.xml": AccountErrorReply(AccountError.BAD_PASSWORD, "Wrong.").to_bytes(),
        "project_config.xml": ProjectConfig("OpenAstro@home", URL, 6, True, (LINUX,)).to_bytes(),
        "upload_stored.xml": UploadReply(UploadStatus.STORED).to_bytes(),
        "upload_size.xml": UploadReply(UploadStatus.STORED, file_size=4096).to_bytes(),
        "upload_later.xml": UploadReply(UploadStatus.TRANSIENT, "The disk is full.").to_bytes(),
    }


if __name__ == "__main__":
    for name, text in texts().items():
        (DIRECTORY / name).write_bytes(text)
