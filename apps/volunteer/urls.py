"""Names and addresses that follow from the master URL (``lib/url.cpp``)."""

from __future__ import annotations

import re

from boinc_project.errors import ConfigError, ProtocolError

_SCHEDULER = re.compile(
    r'<scheduler>\s*([^<\s]+)\s*</scheduler>|<link rel="boinc_scheduler" href="([^"\s]+)">'
)


def canonical_master_url(url: str) -> str:
    """Return the canonical form of a master URL.

    Raises
    ------
    ConfigError
        If it is not one.
    """
    url = url.strip()
    if "://" not in url:
        url = "http://" + url
    scheme, _, rest = url.partition("://")
    rest = re.sub(r"/+", "/", rest)
    if not rest.endswith("/"):
        rest += "/"
    host = rest.split("/", 1)[0]
    if scheme.lower() not in {"http", "https"} or "." not in host.lstrip("."):
        raise ConfigError(
            f"{url} is not a project's address: it begins with http:// or https:// and has a dot "
            "in the host name (write 127.0.0.1, not localhost).",
            url=url,
        )
    return f"{scheme.lower()}://{rest}"


def project_directory_name(master_url: str) -> str:
    """Return the name of a project's directory, e.g. ``127.0.0.1_8080``."""
    return re.sub(r"[^A-Za-z0-9.\-_]", "_", master_url.partition("://")[2]).rstrip("_")


def scheduler_url(master_page: bytes) -> str:
    """Find the scheduler's address in a master page.

    Raises
    ------
    ProtocolError
        If there is none.
    """
    found = _SCHEDULER.search(master_page.decode("utf-8", errors="replace"))
    if found is None:
        raise ProtocolError("The project's page names no scheduler: is the address right?")
    return str(found[1] or found[2])
