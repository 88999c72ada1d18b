"""The code-signing key: given once, changed only with the old key's signature."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from boinc_project.errors import SigningError
from boinc_project.signing import generate_key, parse_public_key, sign, verify
from server.services.scheduler.key_delivery import KeyRing


def test_the_key_is_given_to_who_has_none_and_never_again(world: Any) -> None:
    client = world.client()
    assert client.rpc().code_sign_key
    assert client.rpc().code_sign_key == ""


def test_a_changed_key_comes_with_the_old_keys_signature(tmp_path: Path) -> None:
    old, new = generate_key(), generate_key()
    text = new.public.to_text().strip()
    (tmp_path / "old_key_0").write_text(old.public.to_text())
    (tmp_path / "signature_stripped_0").write_text(sign(text.encode(), old))
    ring = KeyRing(new.public, tmp_path)
    answer = ring.answer(old.public.to_text().strip())
    assert answer.key == text
    assert verify(text.encode(), answer.signature, parse_public_key(old.public.to_text()))
    assert ring.answer(text).key == ""
    assert ring.answer("").signature == ""
    assert ring.answer(generate_key().public.to_text().strip()).unknown


@pytest.mark.parametrize("damage", ["missing", "of another text", "by another key"])
def test_a_change_that_clients_would_refuse_is_not_offered(tmp_path: Path, damage: str) -> None:
    old, new = generate_key(), generate_key()
    (tmp_path / "old_key_0").write_text(old.public.to_text())
    text = new.public.to_text()
    signatures = {
        "of another text": sign(text.encode(), old),  # with the line feed at its end
        "by another key": sign(text.strip().encode(), new),
    }
    if damage in signatures:
        (tmp_path / "signature_stripped_0").write_text(signatures[damage])
    with pytest.raises(SigningError, match="signature"):
        KeyRing(new.public, tmp_path)
