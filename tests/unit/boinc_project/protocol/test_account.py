from __future__ import annotations

from boinc_project.protocol.account import (
    AccountError,
    AccountErrorReply,
    AccountReply,
    client_password_hash,
    weak_account_key,
)
from boinc_project.protocol.project_config import ProjectConfig


def test_the_password_hash_is_over_password_and_lower_case_address() -> None:
    # printf 'secretann@example.org' | md5sum
    assert client_password_hash("secret", "Ann@Example.org") == "327f8bcd9f637af48b3c283500126d86"


def test_the_weak_key_changes_with_the_password() -> None:
    first, second = weak_account_key(7, "k", "h1"), weak_account_key(7, "k", "h2")
    assert first.startswith("7_")
    assert len(first) == 2 + 32
    assert first != second


def test_account_answers() -> None:
    assert AccountReply("ab").to_bytes() == (
        b"<account_out>\n<authenticator>ab</authenticator>\n</account_out>\n"
    )
    assert AccountReply().to_bytes() == b"<account_out>\n<success/>\n</account_out>\n"
    error = AccountErrorReply(AccountError.BAD_PASSWORD, "a < b")
    assert error.to_bytes() == (
        b"<error>\n<error_num>-206</error_num>\n<error_msg>a &lt; b</error_msg>\n</error>\n"
    )


def test_project_config_names_what_wizards_need() -> None:
    config = ProjectConfig("N & M", "http://127.0.0.1:8080/", 8, False, ("x86_64-pc-linux-gnu",))
    text = config.to_bytes().decode()
    assert "<name>N &amp; M</name>\n" in text
    assert "<master_url>http://127.0.0.1:8080/</master_url>\n" in text
    assert "<min_passwd_length>8</min_passwd_length>\n" in text
    assert "<client_account_creation_disabled/>" in text
    assert "<platform_name>x86_64-pc-linux-gnu</platform_name>" in text
    assert "account_creation_disabled" not in ProjectConfig("N", "u").to_bytes().decode()
