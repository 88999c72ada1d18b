"""Which code-signing key a client is told (``sched/handle_request.cpp``).

A client trusts the first key it gets. It takes another only with a signature by the old key. Keys
that the project used before lie in ``keys/old_key_0``, ``keys/old_key_1``, ..., each with
``signature_stripped_N``: the old private key's signature over the new key's text, without the white
space at its end. Both are made off-line, where the private keys are.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from boinc_project.errors import SigningError
from boinc_project.signing import PublicKey, load_public_key, verify

MOST_OLD_KEYS = 10


@dataclass(frozen=True, slots=True)
class KeyAnswer:
    """What the reply says about the key."""

    key: str = ""
    signature: str = ""
    unknown: bool = False
    """Whether the client holds a key that was never ours."""


class KeyRing:
    """The project's key and the keys before it.

    Parameters
    ----------
    key : PublicKey
        The key in use.
    directory : Path
        Where the files of old keys are.

    Raises
    ------
    SigningError
        If an old key has no signature, or one that does not verify: clients would refuse the
        change, and every one of them would have to be attached anew.
    """

    def __init__(self, key: PublicKey, directory: Path) -> None:
        self._text = key.to_text().strip()
        self._signatures: dict[str, str] = {}
        for number in range(MOST_OLD_KEYS):
            path = directory / f"old_key_{number}"
            if path.exists():
                old = load_public_key(path)
                signature = _signature(directory / f"signature_stripped_{number}", path)
                if not verify(self._text.encode(), signature, old):
                    raise SigningError(
                        f"{directory / f'signature_stripped_{number}'} is not the signature of "
                        f"the present key by {path}: sign code_sign_public again, without the "
                        "line feed at its end.",
                        path=path,
                    )
                self._signatures[old.to_text().strip()] = signature

    def answer(self, held: str) -> KeyAnswer:
        """Return what to tell a client that holds `held` (stripped; empty for none)."""
        if not held:
            return KeyAnswer(self._text)
        if held == self._text:
            return KeyAnswer()
        signature = self._signatures.get(held)
        if signature is not None:
            return KeyAnswer(self._text, signature)
        return KeyAnswer(unknown=True)


def _signature(path: Path, key: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise SigningError(f"{key} needs the signature {path}: {error}.", path=path) from error
