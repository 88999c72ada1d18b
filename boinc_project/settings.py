"""Settings of a project: one ``openastro.toml``, every key documented here.

``openastro init`` writes the file from these very descriptions; the environment variable
``OPENASTRO_<SECTION>__<KEY>`` overrides a single key.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from boinc_project.errors import ConfigError
from boinc_project.settings_file import SETTINGS_FILE as SETTINGS_FILE


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ProjectSection(_Section):
    """Who we are."""

    name: str = Field("OpenAstro@home", description="Name shown to volunteers.")
    url: str = Field(
        "http://127.0.0.1:8080/",
        description="Master URL: what volunteers attach to. Never change it once hosts attached.",
    )
    contact: str = Field("", description="E-mail address shown on pages; empty: none.")

    @field_validator("url")
    @classmethod
    def _master_url(cls, url: str) -> str:
        # lib/url.cpp: lower case, a dot in the host part, one slash at the end.
        host = url.split("://", 1)[-1].split("/", 1)[0]
        if not url.startswith(("http://", "https://")) or "." not in host or url != url.lower():
            raise ValueError(
                "must be http(s)://, lower case, with a dot in the host name "
                "(BOINC clients refuse 'localhost': write 127.0.0.1)"
            )
        if not url.endswith("/") or len(url) > 255:
            raise ValueError("must end in / and have at most 255 characters")
        try:
            _ = urlsplit(url).port
        except ValueError as error:
            raise ValueError(f"has no usable port: {error}") from None
        return url


class DatabaseSection(_Section):
    """Where rows are kept."""

    url: str = Field(
        "sqlite:///project.sqlite",
        description="SQLAlchemy URL. A relative SQLite path is relative to this file. "
        "PostgreSQL: postgresql+psycopg://user:password@host/name",
    )


class WebSection(_Section):
    """The web server of `openastro serve`."""

    bind: str = Field("127.0.0.1:8080", description="Address and port to listen on.")
    workers: int = Field(1, ge=1, le=64, description="Processes; more than 1 wants PostgreSQL.")
    threads: int = Field(8, ge=1, le=256, description="Threads of each process.")
    proxies: int = Field(
        0,
        ge=0,
        le=8,
        description="Reverse proxies in front whose X-Forwarded headers are believed.",
    )
    max_request_bytes: int = Field(
        2_000_000, ge=10_000, description="Largest scheduler request or form."
    )
    account_creation: bool = Field(True, description="Whether new accounts may be made.")
    min_password_length: int = Field(6, ge=1, description="Shortest password accepted.")


class SchedulerSection(_Section):
    """How work is handed out."""

    request_delay: float = Field(
        11.0, ge=0.0, description="Seconds a client waits between two requests."
    )
    no_work_delay: float = Field(
        60.0, ge=0.0, description="Seconds until a client that got no work asks again."
    )
    max_results_per_rpc: int = Field(50, ge=1, description="Most results sent in one reply.")
    max_in_progress_per_cpu: int = Field(
        8, ge=1, description="Most results a host may hold, for each of its processors."
    )
    daily_result_quota: int = Field(
        500, ge=1, description="Results per processor and day; shrinks with failures."
    )
    report_grace_period: float = Field(
        3600.0, ge=0.0, description="Seconds after the sent deadline before a result times out."
    )
    resend_lost_results: bool = Field(True, description="Send again what a host has lost.")
    one_result_per_user_per_wu: bool = Field(
        True, description="A user never checks their own result."
    )


class TrustSection(_Section):
    """Whom to believe; see docs/admin/trust.md for what these rates were chosen by."""

    replication_floor: float = Field(
        0.02,
        gt=0.0,
        le=1.0,
        description="Least part of a proven host's tasks that another host confirms.",
    )
    audit_floor: float = Field(
        0.5,
        gt=0.0,
        le=1.0,
        description="Least part of the units that are audited, computed by one host alone or by "
        "several.",
    )
    quorum_audit_rate: float = Field(
        0.02,
        ge=0.0,
        le=1.0,
        description="The same for units confirmed by several hosts that have waited an hour for "
        "the validator.",
    )
    canary_units: int = Field(
        5,
        ge=0,
        description="Units that proven hosts try before the rest of a large campaign is sent; "
        "0: none.",
    )
    canary_patience: float = Field(
        21600.0, ge=0.0, description="Seconds after which any host may try them."
    )
    max_credit_factor: float = Field(
        3.0,
        gt=0.0,
        description="Most credit of a task, in those of its estimated operations.",
    )


class DaemonsSection(_Section):
    """How the daemons poll."""

    interval: float = Field(2.0, gt=0.0, description="Seconds between two passes when idle.")
    batch: int = Field(100, ge=1, description="Most workunits of one pass.")
    delete_delay: float = Field(
        86400.0, ge=0.0, description="Seconds after assimilation before files are deleted."
    )
    extend_delay: float = Field(
        2_592_000.0,
        ge=0.0,
        description="Seconds after its end for which a campaign of images keeps its files, so that "
        "it can be extended.",
    )


class FilesSection(_Section):
    """Directories, relative to this file."""

    download: Path = Field(Path("download"), description="Files that clients download.")
    upload: Path = Field(Path("upload"), description="Outputs that clients upload.")
    products: Path = Field(Path("products"), description="Merged posteriors and images.")
    keys: Path = Field(Path("keys"), description="Public keys; private signing keys never here.")
    apps: Path = Field(Path("apps"), description="Signed app versions as published.")
    fanout: int = Field(1024, ge=1, description="Sub-directories of download and upload.")
    min_free_bytes: int = Field(
        1_000_000_000, ge=0, description="Below this free disk space uploads are put off."
    )


class Settings(BaseSettings):
    """All settings of one project.

    Attributes
    ----------
    root : Path
        The directory of ``openastro.toml``; relative paths are relative to it.
    """

    model_config = SettingsConfigDict(
        env_prefix="OPENASTRO_", env_nested_delimiter="__", extra="forbid", frozen=True
    )

    root: Path = Field(Path(), exclude=True)
    project: ProjectSection = ProjectSection()
    database: DatabaseSection = DatabaseSection()
    web: WebSection = WebSection()
    scheduler: SchedulerSection = SchedulerSection()
    trust: TrustSection = TrustSection()
    daemons: DaemonsSection = DaemonsSection()
    files: FilesSection = FilesSection()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over the file."""
        del settings_cls, dotenv_settings, file_secret_settings
        if isinstance(env_settings, EnvSettingsSource):
            # Single keys only: OPENASTRO_PROJECT is a directory, not the section [project].
            env_settings.env_vars = {
                name: value for name, value in env_settings.env_vars.items() if "__" in name
            }
        return env_settings, init_settings

    def path(self, name: str) -> Path:
        """Return one of the directories of `FilesSection`, absolute."""
        return (self.root / getattr(self.files, name)).resolve()

    @property
    def database_url(self) -> str:
        """The database URL, a relative SQLite path made absolute."""
        prefix = "sqlite:///"
        url = self.database.url
        if url.startswith(prefix) and not url.startswith(prefix + "/"):
            return prefix + str((self.root / url.removeprefix(prefix)).resolve())
        return url


def load_settings(path: Path) -> Settings:
    """Read ``openastro.toml``.

    Raises
    ------
    ConfigError
        If the file is missing, is not TOML, or has an unknown key or a value out of range; the
        message names the key and what is wrong with it.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            f"There is no {path}: run `openastro init` first, or name the project with --project.",
            path=path,
        ) from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.", path=path) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}.", path=path) from error
    return settings_from(raw, root=path.parent.resolve(), name=str(path))


def settings_from(raw: dict[str, Any], *, root: Path, name: str = SETTINGS_FILE) -> Settings:
    """Check a parsed ``openastro.toml``; see `load_settings`."""
    try:
        return Settings(root=root, **raw)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{name}: {key}: {first['msg']}.", path=name, key=key) from error
    except TypeError as error:
        raise ConfigError(f"{name}: {error}.", path=name) from error


def settings_text(settings: Settings) -> str:
    """Return ``openastro.toml`` with every key, its description and its value."""
    lines = ["# Settings of an OpenAstro@home project. Every key is optional.", ""]
    for section_name in Settings.model_fields:
        if section_name == "root":
            continue
        section = getattr(settings, section_name)
        lines += [f"# {section.__doc__}", f"[{section_name}]"]
        for key, key_field in type(section).model_fields.items():
            lines += [f"# {key_field.description}", f"{key} = {_toml(getattr(section, key))}"]
        lines.append("")
    return "\n".join(lines)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
