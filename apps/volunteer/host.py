"""The computer that this runs on, as the scheduler wants to know it."""

from __future__ import annotations

import os
import platform
import shutil
import socket
from pathlib import Path

from boinc_project.protocol.request import HostInfo

# What the stock client states without a benchmark; Whetstone cannot be measured from Python.
ASSUMED_FPOPS = 1e9


def host_info(directory: Path, *, name: str, cpid: str, ncpus: int) -> HostInfo:
    """Describe the computer.

    Parameters
    ----------
    directory : Path
        The client's directory: its disk is what counts.
    name : str
        Name shown on the owner's pages; empty: the computer's own.
    cpid : str
        What tells this installation from all others.
    ncpus : int
        Processors that may be used.
    """
    disk = shutil.disk_usage(directory)
    return HostInfo(
        domain_name=name or socket.gethostname(),
        host_cpid=cpid,
        p_ncpus=ncpus,
        p_vendor=_cpu("vendor_id"),
        p_model=_cpu("model name") or platform.machine(),
        p_fpops=ASSUMED_FPOPS,
        p_iops=ASSUMED_FPOPS,
        m_nbytes=float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")),
        d_total=float(disk.total),
        d_free=float(disk.free),
        os_name=platform.system(),
        os_version=platform.release(),
    )


def _cpu(key: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return ""
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return ""
