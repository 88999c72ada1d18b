from __future__ import annotations

import hashlib
import re
import stat
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from boinc_project import signing
from boinc_project.errors import SigningError


@pytest.fixture(scope="module")
def key() -> signing.PrivateKey:
    return signing.generate_key()


@pytest.fixture(scope="module")
def other() -> signing.PrivateKey:
    return signing.generate_key()


def _openssl(key: signing.PrivateKey) -> rsa.RSAPublicKey:
    return rsa.RSAPublicNumbers(key.exponent, key.modulus).public_key()


def _pem(key: signing.PrivateKey) -> bytes:
    from cryptography.hazmat.primitives import serialization

    numbers = rsa.RSAPrivateNumbers(
        key.p,
        key.q,
        key.private_exponent,
        key.exponent_p,
        key.exponent_q,
        key.inverse_q,
        rsa.RSAPublicNumbers(key.exponent, key.modulus),
    )
    return numbers.private_key().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


# Key texts


def test_the_public_key_text_has_the_shape_boinc_reads(key: signing.PrivateKey) -> None:
    lines = key.public.to_text().split("\n")
    assert lines[0] == "1024"
    assert lines[-2:] == [".", ""]
    assert len(lines) == 1 + 8 + 2
    assert all(re.fullmatch("[0-9a-f]{64}", line) for line in lines[1:-2])
    assert lines[-3].endswith("00010001")


def test_the_private_key_text_has_22_lines_and_starts_with_the_public_numbers(
    key: signing.PrivateKey,
) -> None:
    private, public = key.to_text().split("\n"), key.public.to_text().split("\n")
    assert len(private) == 1 + 22 + 2
    assert private[1:9] == public[1:9]


def test_key_texts_survive_the_round_trip(key: signing.PrivateKey) -> None:
    assert signing.parse_private_key(key.to_text()) == key
    assert signing.parse_public_key(key.public.to_text()) == key.public
    # The client sends the key back stripped of its last line feed.
    assert signing.parse_public_key("\n" + key.public.to_text().strip() + "  \n") == key.public


def test_a_private_key_is_never_shown(key: signing.PrivateKey) -> None:
    shown = f"{key!r} {key}"
    for number in (key.private_exponent, key.p, key.q):
        assert str(number) not in shown
        assert f"{number:x}" not in shown


def _cut(text: str) -> str:
    lines = text.split("\n")
    return "\n".join(lines[:3] + lines[4:])


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda text: "", "not a BOINC key"),
        (lambda text: text.replace("1024", "2048", 1), "2048 bits"),
        (lambda text: text.rstrip().rstrip("."), "line holding a dot"),
        (lambda text: text.replace("\n", "\nz", 1), "not a BOINC key"),
        (_cut, "cut or too long"),
        (lambda text: "-----BEGIN PUBLIC KEY-----\nMIG", "PEM"),
    ],
)
def test_a_damaged_key_is_refused_with_its_name(key: signing.PrivateKey, damage, words) -> None:
    for text, parse in (
        (key.public.to_text(), signing.parse_public_key),
        (key.to_text(), signing.parse_private_key),
    ):
        with pytest.raises(SigningError, match=re.escape(words)) as caught:
            parse(damage(text), name="keys/code_sign")
        assert caught.value.message.startswith("keys/code_sign ")


def test_the_halves_of_a_pair_are_not_mixed_up(key: signing.PrivateKey) -> None:
    with pytest.raises(SigningError, match="private key where the public key belongs"):
        signing.parse_public_key(key.to_text())
    with pytest.raises(SigningError, match="signing needs the private one"):
        signing.parse_private_key(key.public.to_text())


def test_a_private_key_with_numbers_of_two_keys_is_damaged(
    key: signing.PrivateKey, other: signing.PrivateKey
) -> None:
    mine, theirs = key.to_text().split("\n"), other.to_text().split("\n")
    with pytest.raises(SigningError, match="damaged"):
        signing.parse_private_key("\n".join(mine[:9] + theirs[9:]))


def test_a_short_modulus_or_an_even_exponent_is_no_public_key(key: signing.PrivateKey) -> None:
    for bad in (
        signing.PublicKey(key.modulus >> 1, key.exponent),
        signing.PublicKey(key.modulus, 1),
        signing.PublicKey(key.modulus, 65536),
    ):
        with pytest.raises(SigningError, match="not an RSA key of 1024 bits"):
            signing.parse_public_key(bad.to_text())


# Key files


def test_key_files_are_written_once_and_the_private_one_is_private(
    key: signing.PrivateKey, tmp_path: Path
) -> None:
    private, public = signing.write_key_pair(key, tmp_path / "keys", "code_sign")
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert signing.load_private_key(private) == key
    assert signing.load_public_key(public) == key.public
    before = private.read_bytes()
    with pytest.raises(SigningError, match="left as it is"):
        signing.write_key_pair(signing.generate_key(), tmp_path / "keys", "code_sign")
    assert private.read_bytes() == before


def test_key_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(SigningError, match=r"There is no key file .*nothing"):
        signing.load_public_key(tmp_path / "nothing")
    with pytest.raises(SigningError, match="cannot be read"):
        signing.load_private_key(tmp_path)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(SigningError, match="cannot be read"):
        signing.load_private_key(tmp_path / "binary")


# Signatures


def test_the_signed_block_is_the_md5_text_without_digest_info(key: signing.PrivateKey) -> None:
    signature = signing.sign(b"", key)
    lines = signature.split("\n")
    assert lines[4:] == [".", ""]
    assert [len(line) for line in lines[:4]] == [64] * 4
    block = _openssl(key).recover_data_from_signature(
        bytes.fromhex("".join(lines[:4])), padding.PKCS1v15(), None
    )
    assert block == b"d41d8cd98f00b204e9800998ecf8427e"


def test_it_is_the_private_operation_over_the_padded_block_by_hand(key: signing.PrivateKey) -> None:
    data = b"fn main"
    text = hashlib.md5(data).hexdigest().encode()
    block = b"\x00\x01" + b"\xff" * 93 + b"\x00" + text
    number = pow(int.from_bytes(block, "big"), key.private_exponent, key.modulus)
    assert "".join(signing.sign(data, key).split()) == f"{number:0256x}."


def test_openssl_on_the_command_line_makes_the_same_bytes(
    key: signing.PrivateKey, tmp_path: Path
) -> None:
    (tmp_path / "key.pem").write_bytes(_pem(key))
    (tmp_path / "md5.txt").write_text(hashlib.md5(b"data").hexdigest())
    made = subprocess.run(
        [
            *["openssl", "pkeyutl", "-sign", "-pkeyopt", "rsa_padding_mode:pkcs1"],
            *["-inkey", "key.pem", "-in", "md5.txt"],
        ],
        cwd=tmp_path,
        capture_output=True,
        check=True,
    )
    assert "".join(signing.sign(b"data", key).split()) == made.stdout.hex() + "."


def test_only_the_signed_bytes_under_the_signing_key_verify(
    key: signing.PrivateKey, other: signing.PrivateKey
) -> None:
    signature = signing.sign(b"app", key)
    assert signing.verify(b"app", signature, key.public)
    assert not signing.verify(b"apq", signature, key.public)
    assert not signing.verify(b"", signature, key.public)
    assert not signing.verify(b"app", signature, other.public)


def test_a_signature_is_read_however_the_client_laid_it_out(key: signing.PrivateKey) -> None:
    signature = signing.sign(b"app", key)
    # The client returns an upload certificate with the dot glued to the closing tag.
    assert signing.verify(b"app", "\n" + signature.rstrip(), key.public)
    assert signing.verify(b"app", signature.upper(), key.public)


def test_a_malformed_signature_signs_nothing(key: signing.PrivateKey) -> None:
    good = signing.sign(b"app", key)
    digits = "".join(good.split()).rstrip(".")
    number = int(digits, 16)
    for bad in (
        "",
        ".",
        good.replace(".", ""),
        good + good,
        digits[:-1] + ".",
        digits + "00.",
        "00" + digits + ".",
        "z" + digits[1:] + ".",
        "٣" + digits[1:] + ".",  # an Arabic digit: int() would take it
        "0" * 256 + ".",
        f"{key.modulus:0256x}.",
        f"{(number + key.modulus) % (1 << 1024):0256x}.",
        f"{number ^ 1:0256x}.",
    ):
        assert not signing.verify(b"app", bad, key.public), bad


def test_loose_padding_is_a_forgery(key: signing.PrivateKey) -> None:
    text = hashlib.md5(b"app").hexdigest().encode()

    def signature_over(block: bytes) -> str:
        assert len(block) == 128
        return f"{pow(int.from_bytes(block, 'big'), key.private_exponent, key.modulus):0256x}."

    exact = b"\x00\x01" + b"\xff" * 93 + b"\x00" + text
    assert signing.verify(b"app", signature_over(exact), key.public)
    digest_info = bytes.fromhex("3020300c06082a864886f70d020505000410")
    for block in (
        b"\x00\x02" + b"\xff" * 93 + b"\x00" + text,  # type 2
        b"\x00\x01" + b"\xff" * 92 + b"\x00\x00" + text,
        b"\x00\x01" + b"\xff" * 8 + b"\x00" + text + b"A" * 85,  # Bleichenbacher
        b"\x00\x01" + b"\xfe" * 93 + b"\x00" + text,
        b"\x00\x01" + b"\xff" * 75 + b"\x00" + digest_info + text,  # DigestInfo
        b"\x00\x01" + b"\xff" * 93 + b"\x00" + text.upper(),
    ):
        assert not signing.verify(b"app", signature_over(block), key.public), block.hex()


def test_files_are_signed_by_their_bytes(key: signing.PrivateKey, tmp_path: Path) -> None:
    path = tmp_path / "app"
    path.write_bytes(bytes(range(256)) * 5000)
    signature = signing.sign_file(path, key)
    assert signature == signing.sign(path.read_bytes(), key)
    assert signing.verify_file(path, signature, key.public)
    path.write_bytes(path.read_bytes()[:-1] + b"\x00")
    assert not signing.verify_file(path, signature, key.public)


def test_a_new_key_can_be_signed_by_the_old_one(
    key: signing.PrivateKey, other: signing.PrivateKey
) -> None:
    stripped = other.public.to_text().rstrip().encode()
    assert signing.verify(stripped, signing.sign(stripped, key), key.public)
    assert not signing.verify(
        other.public.to_text().encode(), signing.sign(stripped, key), key.public
    )


# Upload certificates


def test_a_certificate_holds_for_one_name_and_one_size(
    key: signing.PrivateKey, other: signing.PrivateKey
) -> None:
    assert (
        signing.certificate_text("wu7_0_r5512_0", 50000)
        == b"<name>wu7_0_r5512_0</name><max_nbytes>50000</max_nbytes>"
    )
    certificate = signing.sign_upload("wu7_0_r5512_0", 50000, key)
    assert signing.verify_upload("wu7_0_r5512_0", 50000, certificate, key.public)
    assert not signing.verify_upload("wu7_0_r5512_1", 50000, certificate, key.public)
    assert not signing.verify_upload("wu7_0_r5512_0", 50001, certificate, key.public)
    assert not signing.verify_upload("wu7_0_r5512_0", 50000, certificate, other.public)


def test_fingerprints_tell_keys_apart(key: signing.PrivateKey, other: signing.PrivateKey) -> None:
    assert re.fullmatch("[0-9a-f]{16}", signing.fingerprint(key.public))
    assert signing.fingerprint(key.public) != signing.fingerprint(other.public)
