"""Sign a built app version, on the machine that holds the private key; needs no project."""

from __future__ import annotations

from pathlib import Path

from boinc_project.errors import SigningError
from boinc_project.settings import SETTINGS_FILE
from boinc_project.signing import (
    CODE_SIGN,
    PublicKey,
    generate_key,
    load_private_key,
    sign_file,
    verify_file,
    write_key_pair,
)
from server.services.app_manifest import (
    MANIFEST,
    SIGNATURE_SUFFIX,
    Manifest,
    check_build,
    read_manifest,
)
from server.services.files import write_durably

MAX_SIGNATURE_BYTES = 4096
"""The client's own buffer; a signature has 262."""


def make_signing_key(directory: Path) -> tuple[Path, Path]:
    """Make the code-signing key pair; return the private and the public file.

    Raises
    ------
    SigningError
        If the directory is part of a project, or has such a key already.
    """
    directory = directory.expanduser().resolve()
    for parent in (directory, *directory.parents):
        if (parent / SETTINGS_FILE).exists():
            raise SigningError(
                f"{directory} is inside the project {parent}: a code-signing key never lives on "
                "the server's tree, so name a directory outside of it, best on another machine.",
                path=directory,
            )
    try:
        return write_key_pair(generate_key(), directory, CODE_SIGN)
    except OSError as error:
        raise SigningError(f"{directory} cannot hold the key: {error}.", path=directory) from error


def build_directory(path: Path) -> Path:
    """Return the build directory that a person named, by itself or by its manifest."""
    return path.parent if path.name == MANIFEST else path


def sign_app_version(directory: Path, key_file: Path) -> tuple[Manifest, list[Path]]:
    """Write ``FILE.sig`` beside every file of a build, and beside the manifest itself.

    Raises
    ------
    InputError
        If the build is not what its manifest says.
    SigningError
        If the key is not a private key.
    """
    manifest = read_manifest(directory)
    check_build(directory, manifest)
    key = load_private_key(key_file)
    written = []
    for name in _signed_names(manifest):
        path = directory / (name + SIGNATURE_SUFFIX)
        write_durably(path, sign_file(directory / name, key).encode("ascii"))
        written.append(path)
    return manifest, written


def read_signatures(directory: Path, manifest: Manifest, key: PublicKey) -> dict[str, str]:
    """Verify every signature of a build; return the signature texts by file name.

    Raises
    ------
    SigningError
        If a file is not signed, was changed after signing, or was signed with another key.
    """
    signatures = {}
    for name in _signed_names(manifest):
        path = directory / (name + SIGNATURE_SUFFIX)
        try:
            with path.open("rb") as stream:
                signature = stream.read(MAX_SIGNATURE_BYTES).decode("ascii", "replace")
        except OSError:
            raise SigningError(
                f"{directory / name} is not signed: run `openastro app sign {directory}` on the "
                "machine that holds the private key.",
                path=path,
            ) from None
        if not verify_file(directory / name, signature, key):
            raise SigningError(
                f"{directory / name} was changed after it was signed, or was signed with another "
                "key than the one this project trusts (keys/code_sign_public).",
                path=path,
            )
        signatures[name] = signature
    return signatures


def _signed_names(manifest: Manifest) -> list[str]:
    # The manifest says which file is run: it must not be changed between build and server either.
    return [MANIFEST, *(file.name for file in manifest.files)]
