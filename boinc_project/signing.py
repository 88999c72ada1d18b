"""BOINC's code signing: key texts, signatures over md5 texts, upload certificates.

Follows ``lib/crypt.cpp`` of the BOINC client: RSA with a modulus of 1024 bits; what is signed is
the md5 of the data as 32 lower-case hexadecimal characters, with PKCS#1 v1.5 padding of type 1
directly over these characters (no DigestInfo). The format cannot express a longer key, so a
project's safety rests on keeping the code-signing private key off-line, not on its length.

Two key pairs exist. ``code_sign_*`` signs app versions, on a machine that is not the server;
``upload_*`` lives on the server and signs upload certificates (``sched/file_upload_handler.cpp``),
which let the upload handler check a file's name and size limit without a database.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from boinc_project.errors import SigningError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

KEY_BITS = 1024
_BLOCK = KEY_BITS // 8  # bytes of a modulus, of a signature, and of each full key field
_HALF = _BLOCK // 2  # bytes of a prime and of its companions
_PUBLIC_FIELDS = (_BLOCK, _BLOCK)
_PRIVATE_FIELDS = (_BLOCK, _BLOCK, _BLOCK, _HALF, _HALF, _HALF, _HALF, _HALF)
_LINE = 64  # hexadecimal digits of a line

CODE_SIGN = "code_sign"
UPLOAD = "upload"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The public half of a key pair."""

    modulus: int
    exponent: int

    def to_text(self) -> str:
        """Return BOINC's key text: bit length, hexadecimal lines, and a line holding a dot."""
        return _key_text((self.modulus, self.exponent), _PUBLIC_FIELDS)


@dataclass(frozen=True, slots=True, repr=False)
class PrivateKey:
    """The private half: all eight numbers of BOINC's private key text."""

    modulus: int
    exponent: int
    private_exponent: int
    p: int
    q: int
    exponent_p: int
    exponent_q: int
    inverse_q: int

    @property
    def public(self) -> PublicKey:
        """The matching public key."""
        return PublicKey(self.modulus, self.exponent)

    def to_text(self) -> str:
        """Return BOINC's key text of the private key."""
        return _key_text(self._numbers(), _PRIVATE_FIELDS)

    def _numbers(self) -> tuple[int, ...]:
        return (
            self.modulus,
            self.exponent,
            self.private_exponent,
            self.p,
            self.q,
            self.exponent_p,
            self.exponent_q,
            self.inverse_q,
        )

    def __repr__(self) -> str:
        """Name the key by its public half only, so that a log never shows a secret."""
        return f"PrivateKey(fingerprint={fingerprint(self.public)!r})"


def generate_key() -> PrivateKey:
    """Make a new key pair from the operating system's randomness."""
    from cryptography.hazmat.primitives.asymmetric import rsa

    numbers = rsa.generate_private_key(65537, KEY_BITS).private_numbers()
    return PrivateKey(
        modulus=numbers.public_numbers.n,
        exponent=numbers.public_numbers.e,
        private_exponent=numbers.d,
        p=numbers.p,
        q=numbers.q,
        exponent_p=numbers.dmp1,
        exponent_q=numbers.dmq1,
        inverse_q=numbers.iqmp,
    )


def parse_public_key(text: str, *, name: str = "The public key") -> PublicKey:
    """Read a public key text.

    Raises
    ------
    SigningError
        If it is not BOINC's key text of a 1024-bit public key; the sentence begins with `name`.
    """
    data = _key_bytes(text, name=name)
    if len(data) == sum(_PRIVATE_FIELDS):
        raise SigningError(f"{name} is a private key where the public key belongs.", name=name)
    modulus, exponent = _split(data, _PUBLIC_FIELDS, name=name)
    if modulus.bit_length() != KEY_BITS or exponent < 3 or exponent % 2 == 0:
        raise SigningError(f"{name} is not an RSA key of {KEY_BITS} bits.", name=name)
    return PublicKey(modulus, exponent)


def parse_private_key(text: str, *, name: str = "The private key") -> PrivateKey:
    """Read a private key text and check that its numbers belong together.

    Raises
    ------
    SigningError
        If it is not BOINC's key text of a sound 1024-bit private key.
    """
    data = _key_bytes(text, name=name)
    if len(data) == sum(_PUBLIC_FIELDS):
        raise SigningError(f"{name} is a public key; signing needs the private one.", name=name)
    key = PrivateKey(*_split(data, _PRIVATE_FIELDS, name=name))
    try:
        _openssl_key(key)
    except ValueError as error:
        raise SigningError(f"{name} is damaged: its numbers do not match.", name=name) from error
    return key


def load_public_key(path: Path) -> PublicKey:
    """Read a public key file; see `parse_public_key`."""
    return parse_public_key(_read_key_file(path), name=str(path))


def load_private_key(path: Path) -> PrivateKey:
    """Read a private key file; see `parse_private_key`."""
    return parse_private_key(_read_key_file(path), name=str(path))


def write_key_pair(key: PrivateKey, directory: Path, stem: str) -> tuple[Path, Path]:
    """Write ``<stem>_private`` (mode 0600) and ``<stem>_public`` into `directory`.

    Returns
    -------
    tuple of Path
        The private and the public file.

    Raises
    ------
    SigningError
        If either file is already there: a lost key cannot be made again, so none is overwritten.
    """
    private, public = directory / f"{stem}_private", directory / f"{stem}_public"
    for path in (private, public):
        if path.exists():
            raise SigningError(
                f"{path} already exists and is left as it is; name another directory.", path=path
            )
    directory.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as stream:
        stream.write(key.to_text())
    public.write_text(key.public.to_text(), encoding="ascii")
    return private, public


def fingerprint(key: PublicKey) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of the key text, to compare by eye."""
    return hashlib.sha256(key.to_text().encode()).hexdigest()[:16]


def sign(data: bytes, key: PrivateKey) -> str:
    """Return the signature text of `data`."""
    return sign_md5(hashlib.md5(data).hexdigest(), key)


def sign_file(path: Path, key: PrivateKey) -> str:
    """Return the signature text of a file's bytes."""
    return sign_md5(_file_md5(path), key)


def sign_md5(md5: str, key: PrivateKey) -> str:
    """Return the signature text over an md5 given as 32 lower-case hexadecimal characters.

    Notes
    -----
    The signature is 128 bytes: ``00 01 | FF x 93 | 00 | 32 characters`` to the private exponent.
    OpenSSL does it with blinding, so that a remote client cannot time the upload key.
    """
    from cryptography.hazmat.primitives.asymmetric import padding, utils

    block = _openssl_key(key).sign(md5.encode("ascii"), padding.PKCS1v15(), utils.NoDigestInfo())
    return _hex_lines(block) + ".\n"


def verify(data: bytes, signature: str, key: PublicKey) -> bool:
    """Return whether `signature` is the signature text of `data` under `key`."""
    return verify_md5(hashlib.md5(data).hexdigest(), signature, key)


def verify_file(path: Path, signature: str, key: PublicKey) -> bool:
    """Return whether `signature` is the signature text of a file's bytes under `key`."""
    return verify_md5(_file_md5(path), signature, key)


def verify_md5(md5: str, signature: str, key: PublicKey) -> bool:
    """Return whether `signature` signs this md5 text; a malformed signature signs nothing.

    Notes
    -----
    The whole padded block is compared, not only its tail: a looser check would accept forgeries
    (Bleichenbacher's attack on exponent 3).
    """
    number = _signature_number(signature)
    if number is None or number >= key.modulus:
        return False
    expected = b"\x00\x01" + b"\xff" * (_BLOCK - 3 - len(md5)) + b"\x00" + md5.encode("ascii")
    return pow(number, key.exponent, key.modulus) == int.from_bytes(expected, "big")


def certificate_text(name: str, max_nbytes: int) -> bytes:
    """Return the exact bytes that an upload certificate signs."""
    return f"<name>{name}</name><max_nbytes>{max_nbytes}</max_nbytes>".encode()


def sign_upload(name: str, max_nbytes: int, key: PrivateKey) -> str:
    """Return the upload certificate of an output file: the text of its ``<xml_signature>``."""
    return sign(certificate_text(name, max_nbytes), key)


def verify_upload(name: str, max_nbytes: int, signature: str, key: PublicKey) -> bool:
    """Return whether an upload certificate was made for this name and size limit."""
    return verify(certificate_text(name, max_nbytes), signature, key)


@lru_cache(maxsize=8)
def _openssl_key(key: PrivateKey) -> RSAPrivateKey:
    from cryptography.hazmat.primitives.asymmetric import rsa

    public = rsa.RSAPublicNumbers(key.exponent, key.modulus)
    numbers = rsa.RSAPrivateNumbers(
        p=key.p,
        q=key.q,
        d=key.private_exponent,
        dmp1=key.exponent_p,
        dmq1=key.exponent_q,
        iqmp=key.inverse_q,
        public_numbers=public,
    )
    return numbers.private_key()


def _key_text(numbers: tuple[int, ...], fields: tuple[int, ...]) -> str:
    data = b"".join(n.to_bytes(size, "big") for n, size in zip(numbers, fields, strict=True))
    return f"{KEY_BITS}\n{_hex_lines(data)}.\n"


def _hex_lines(data: bytes) -> str:
    digits = data.hex()
    return "".join(digits[i : i + _LINE] + "\n" for i in range(0, len(digits), _LINE))


def _key_bytes(text: str, *, name: str) -> bytes:
    if text.lstrip().startswith("-----BEGIN"):
        raise SigningError(
            f"{name} is in PEM form; BOINC has its own: make a key with `openastro app keygen`.",
            name=name,
        )
    match = re.fullmatch(r"\s*(\d{1,6})\s+([0-9a-fA-F\s]+)\.\s*", text)
    if match is None:
        raise SigningError(
            f"{name} is not a BOINC key: it wants the bit length, hexadecimal lines and a last "
            "line holding a dot.",
            name=name,
        )
    if int(match[1]) != KEY_BITS:
        raise SigningError(
            f"{name} has {match[1]} bits; BOINC clients take {KEY_BITS} only.", name=name
        )
    digits = "".join(match[2].split())
    if len(digits) not in (2 * sum(_PUBLIC_FIELDS), 2 * sum(_PRIVATE_FIELDS)):
        raise SigningError(
            f"{name} is cut or too long: {len(digits)} hexadecimal digits, where a public key has "
            f"{2 * sum(_PUBLIC_FIELDS)} and a private key {2 * sum(_PRIVATE_FIELDS)}.",
            name=name,
        )
    return bytes.fromhex(digits)


def _split(data: bytes, fields: tuple[int, ...], *, name: str) -> list[int]:
    assert len(data) == sum(fields), name
    numbers, start = [], 0
    for size in fields:
        numbers.append(int.from_bytes(data[start : start + size], "big"))
        start += size
    return numbers


def _signature_number(signature: str) -> int | None:
    match = re.fullmatch(r"\s*([0-9a-fA-F\s]{1,1000})\.\s*", signature)
    digits = "".join(match[1].split()) if match else ""
    return int(digits, 16) if len(digits) == 2 * _BLOCK else None


def _file_md5(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "md5").hexdigest()


def _read_key_file(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except FileNotFoundError:
        raise SigningError(f"There is no key file {path}.", path=path) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SigningError(f"The key file {path} cannot be read: {error}.", path=path) from error
