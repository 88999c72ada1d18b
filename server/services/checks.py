"""What must be in order before the server starts, and what ``openastro doctor`` looks at."""

from __future__ import annotations

from boinc_project.errors import SigningError
from server.project import Project


def check_keys(project: Project) -> None:
    """Check that all keys a server needs are there and sound.

    Raises
    ------
    SigningError
        For the first key that is not; the message says how to get it.
    """
    trusted = project.key_path("code_sign_public")
    if not trusted.exists():
        raise SigningError(
            f"There is no {trusted}: run `openastro app keygen` on another machine and copy its "
            "code_sign_public there.",
            path=trusted,
        )
    for name in ("upload_private", "upload_public"):
        if not project.key_path(name).exists():
            raise SigningError(
                f"There is no {project.key_path(name)}: run `openastro init` in the project.",
                path=project.key_path(name),
            )
    _ = project.code_sign_key, project.uploads, project.session_secret
    if project.uploads.key != project.upload_key.public:
        raise SigningError(
            "keys/upload_private and keys/upload_public do not belong together: restore them from "
            "a backup, or remove both and run `openastro init`."
        )
