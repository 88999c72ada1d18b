"""``manifest.json``: what a build directory of an app version holds."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from boinc_project.errors import InputError, MalformedRequest
from boinc_project.fanout import check_file_name
from boinc_project.unit import file_digest

MANIFEST = "manifest.json"
SIGNATURE_SUFFIX = ".sig"
MAX_MANIFEST_BYTES = 1_000_000

_SPECIAL_PLAN_CLASSES = ("opencl", "cuda", "ati", "vbox", "docker", "wsl")
_PICTURES = (".png", ".jpg", ".jpeg")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ManifestFile(_Strict):
    """One file of an app version."""

    name: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    nbytes: Annotated[int, Field(ge=0)]
    main_program: bool = False
    executable: bool = False
    open_name: str = ""

    @model_validator(mode="after")
    def _check(self) -> ManifestFile:
        for name in filter(None, (self.name, self.open_name)):
            try:
                check_file_name(name)
            except MalformedRequest as error:
                raise ValueError(error.message) from None
        if self.name == MANIFEST or self.name.endswith(SIGNATURE_SUFFIX):
            raise ValueError(f"{self.name} is a name that signing itself uses")
        return self


class Manifest(_Strict):
    """One app version for one platform."""

    app: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    title: Annotated[str, Field(max_length=254)] = ""
    version_num: Annotated[int, Field(ge=1, le=2**31 - 1)]
    platform: Annotated[str, Field(pattern=r"^[a-z0-9_][a-z0-9_-]{0,63}$")]
    plan_class: Annotated[str, Field(pattern=r"^[a-z0-9_]{0,63}$")] = ""
    api_version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$", max_length=15)] = "7.5.0"
    flops: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] = 0.0
    files: Annotated[tuple[ManifestFile, ...], Field(min_length=1, strict=False)]

    @property
    def label(self) -> str:
        """Name, version and platform, as one word for file and log."""
        parts = (self.app, str(self.version_num), self.platform, self.plan_class)
        return "_".join(filter(None, parts))

    @model_validator(mode="after")
    def _check(self) -> Manifest:
        main = [file for file in self.files if file.main_program]
        if len(main) != 1:
            raise ValueError(f"exactly one file must be the main program; {len(main)} are")
        # The client will not start a program without the flag, nor one named like a picture.
        if not main[0].executable or main[0].name.endswith(_PICTURES):
            raise ValueError(f"the main program {main[0].name} must be an executable")
        for kind in ("name", "open_name"):
            names = [getattr(file, kind) for file in self.files if getattr(file, kind)]
            twice = {name for name in names if names.count(name) > 1}
            if twice:
                raise ValueError(f"two files have the {kind} {min(twice)}")
        if any(re.search(word, self.plan_class) for word in _SPECIAL_PLAN_CLASSES):
            raise ValueError(f"the client takes plan class {self.plan_class} for special hardware")
        return self


def read_manifest(directory: Path) -> Manifest:
    """Read a build directory's manifest.

    Raises
    ------
    InputError
        If it is missing or not well formed; the message names the key.
    """
    path = directory / MANIFEST
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_MANIFEST_BYTES + 1)
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}): name a directory that "
            "packaging/build.py made.",
            path=path,
        ) from error
    if len(data) > MAX_MANIFEST_BYTES:
        raise InputError(f"{path} has more than {MAX_MANIFEST_BYTES} bytes.", path=path)
    try:
        return Manifest.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "file"
        reason = first["msg"].removeprefix("Value error, ")
        raise InputError(f"{path}: {key}: {reason}.", path=path, key=key) from error


def check_build(directory: Path, manifest: Manifest) -> None:
    """Check that the files are the ones that were built.

    Raises
    ------
    InputError
        If a file is missing, is not a regular file, or does not have the manifest's digest.
    """
    for file in manifest.files:
        path = directory / file.name
        if path.is_symlink() or not path.is_file():
            raise InputError(f"{path} is missing, or is not a regular file.", path=path)
        if path.stat().st_size != file.nbytes or file_digest(path) != file.sha256:
            raise InputError(
                f"{path} is not the file that {MANIFEST} describes: build the app again.", path=path
            )
