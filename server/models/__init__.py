"""The tables, one noun a module. Column names are BOINC's where BOINC has the column."""

from __future__ import annotations

from server.models.app import App, AppVersion, AppVersionFile
from server.models.base import Base
from server.models.campaign import CampaignRow, ProductRow
from server.models.daemon import DaemonStatus
from server.models.event import Event
from server.models.host import Host, HostAppVersion
from server.models.result import Result
from server.models.user import User
from server.models.workunit import Workunit, WorkunitFile

__all__ = [
    "App",
    "AppVersion",
    "AppVersionFile",
    "Base",
    "CampaignRow",
    "DaemonStatus",
    "Event",
    "Host",
    "HostAppVersion",
    "ProductRow",
    "Result",
    "User",
    "Workunit",
    "WorkunitFile",
]
