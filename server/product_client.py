"""A scientist's side of ``/api/v1``: list campaigns, download a product, check it.

Nothing that a server says is believed where it can be checked: file names must be plain names,
sizes and digests must be those of the bytes that came.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urljoin, urlsplit

from boinc_project.errors import (
    ConfigError,
    InputError,
    MalformedRequest,
    OutputError,
    TransientError,
)
from boinc_project.fanout import check_file_name
from boinc_project.report import Report, read_report
from boinc_project.unit import file_digest
from server.services.judgement import Judgement, judgement

TIMEOUT = 60.0
"""Seconds without a byte after which a server counts as gone."""
PIECE = 1 << 20
"""Bytes read at a time: few enough to show that something moves, many enough to cost nothing."""
MAX_JSON = 64 << 20
"""Bytes of the longest answer that is read as a whole."""
MAX_CUTOUT = 128 << 20
"""Bytes of the longest cut-out: 4096 x 4096 floats are half of it."""
ATTEMPTS = 3
"""Tries to get one whole product while the campaign keeps replacing it, or the line breaks."""

T = TypeVar("T")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class ProductReplaced(TransientError):
    """The campaign's product was replaced during the download; start again."""


@dataclass(frozen=True, slots=True)
class RemoteCampaign:
    """A campaign as the server lists it.

    Attributes
    ----------
    judgement : str
        How far the newest product is, in one phrase; empty if the server does not say.
    """

    name: str
    state: str
    issued: int
    ended: int
    product_version: int | None
    judgement: str


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file of a product."""

    name: str
    nbytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class RemoteProduct:
    """The newest product of a campaign, with its report if it has one."""

    campaign: str
    version: int
    judgement: Judgement
    report: Report | None
    files: tuple[RemoteFile, ...]


class ProductClient:
    """Speaks to one project.

    Parameters
    ----------
    url : str
        Its master URL; a missing slash at the end is added.

    Raises
    ------
    ConfigError
        If the URL is not an http or https address.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ConfigError(
                f"{url} is not the address of a project: it must begin with http:// or https://.",
                url=url,
            )
        self.url = url if url.endswith("/") else url + "/"

    def campaigns(self) -> list[RemoteCampaign]:
        """Return all campaigns, newest first."""
        found: list[RemoteCampaign] = []
        path: str | None = "api/v1/campaigns"
        while path:
            answer = self._json(path)
            found += self._read(answer, lambda one: [_campaign(item) for item in one["campaigns"]])
            following = answer.get("next")
            path = following if isinstance(following, str) and following != path else None
        return found

    def product(self, campaign: str) -> RemoteProduct:
        """Return the newest product's list of files.

        Raises
        ------
        InputError
            If there is no such campaign, or no product yet.
        """
        answer = self._json(f"api/v1/campaigns/{quote(campaign, safe='')}/product")
        return self._read(answer, _product)

    def open_file(self, product: RemoteProduct, file: RemoteFile, start: int) -> Any:
        """Open one file of exactly this product for reading from byte `start` on.

        Raises
        ------
        ProductReplaced
            If the server has a newer one by now.
        """
        place = f"{quote(product.campaign, safe='')}/product/{quote(file.name, safe='')}"
        path = f"api/v1/campaigns/{place}?{urlencode({'sha256': file.sha256})}"
        headers = {"Range": f"bytes={start}-"} if start else {}
        answer = self._open(path, headers)
        if start and answer.status != http.client.PARTIAL_CONTENT:
            answer.close()
            raise OutputError(f"{self.url} ignores ranges; remove {file.name} and start again.")
        return answer

    def cutout(self, campaign: str, ra: float, dec: float, size: float, plane: str) -> bytes:
        """Return a square of a campaign's image as a FITS file.

        Parameters
        ----------
        campaign : str
            Its name.
        ra, dec : float
            ICRS, degrees.
        size : float
            Side of the square, arcseconds.
        plane : str
            ``image``, ``weight`` and so on.

        Raises
        ------
        InputError
            If there is no such campaign or plane, or the image does not reach there.
        """
        place = {"ra": f"{ra:.9f}", "dec": f"{dec:.9f}", "size": f"{size:.6f}", "plane": plane}
        path = f"api/v1/campaigns/{quote(campaign, safe='')}/cutout?{urlencode(place)}"
        with self._open(path) as answer:
            data: bytes = answer.read(MAX_CUTOUT + 1)
        if len(data) > MAX_CUTOUT or not data.startswith(b"SIMPLE  ="):
            raise OutputError(f"{self.url} did not answer with a FITS file.", url=self.url)
        return data

    def _open(self, path: str, headers: Mapping[str, str] | None = None) -> Any:
        request = urllib.request.Request(  # noqa: S310 - the scheme is checked in __init__
            urljoin(self.url, path), headers=dict(headers or {})
        )
        if urlsplit(request.full_url).netloc != urlsplit(self.url).netloc:
            raise OutputError(f"{self.url} leads to another server; nothing was fetched from it.")
        try:
            return urllib.request.urlopen(request, timeout=TIMEOUT)  # noqa: S310
        except urllib.error.HTTPError as error:
            with error:
                raise _refusal(error, request.full_url) from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise TransientError(
                f"{self.url} cannot be reached: {reason}.", url=self.url
            ) from error

    def _json(self, path: str) -> dict[str, Any]:
        with self._open(path) as answer:
            body = answer.read(MAX_JSON)
        return self._read(body, _object)

    def _read(self, answer: Any, parse: Callable[[Any], T]) -> T:
        try:
            return parse(answer)
        except (ValueError, KeyError, TypeError, MalformedRequest) as error:
            raise OutputError(
                f"{self.url} does not answer like an OpenAstro@home project: is the address right?",
                url=self.url,
            ) from error


def download_product(
    client: ProductClient, campaign: str, directory: Path, *, tell: Callable[[str], object]
) -> RemoteProduct:
    """Download the newest product into `directory` and check it.

    Parameters
    ----------
    client : ProductClient
        The project.
    campaign : str
        The campaign's name.
    directory : Path
        Made if it is not there.
    tell : Callable[[str], object]
        Is given one line for every file.

    Raises
    ------
    OutputError
        If bytes are not those that the server announced.
    TransientError
        If the product is replaced, or the line breaks, again and again.
    """
    for attempt in range(ATTEMPTS):
        product = client.product(campaign)
        try:
            directory.mkdir(parents=True, exist_ok=True)
            for file in product.files:
                tell(_fetch(client, product, file, directory))
            # The server replaces a product file by file: a list made just then mixes two versions.
            if client.product(campaign) != product:
                raise ProductReplaced
        except TransientError as error:
            if attempt + 1 == ATTEMPTS:
                raise
            tell(f"{error.message} Trying again.")
        except OSError as error:
            raise InputError(f"{directory} cannot be written: {error}.", path=directory) from error
        else:
            return product
    raise AssertionError("unreachable")


def _fetch(client: ProductClient, product: RemoteProduct, file: RemoteFile, directory: Path) -> str:
    target = directory / file.name
    # The digest in the name: what is left of another version is never gone on with.
    part = directory / f".{file.name}.{file.sha256[:16]}.part"
    if target.is_file() and file_digest(target) == file.sha256:
        return f"{file.name}  {file.nbytes} bytes  is here already, SHA-256 {file.sha256} is right"
    start = part.stat().st_size if part.is_file() else 0
    if start > file.nbytes:
        part.unlink()
        start = 0
    if start < file.nbytes or not part.is_file():
        _append(client, product, file, part, start)
    digest = file_digest(part)
    if digest != file.sha256:
        part.unlink()
        raise OutputError(
            f"{file.name} came with SHA-256 {digest}, but the server announced {file.sha256}; "
            "nothing of it was kept.",
            name=file.name,
        )
    part.replace(target)
    resumed = f", resumed at byte {start}" if start else ""
    return f"{file.name}  {file.nbytes} bytes{resumed}  SHA-256 {digest} is right"


def _append(
    client: ProductClient, product: RemoteProduct, file: RemoteFile, part: Path, start: int
) -> None:
    with client.open_file(product, file, start) as answer, part.open("ab") as stream:
        missing = file.nbytes - start
        try:
            while missing:
                piece = answer.read(min(PIECE, missing))
                if not piece:
                    break
                stream.write(piece)
                missing -= len(piece)
        except (TimeoutError, ConnectionError, http.client.HTTPException) as error:
            raise TransientError(f"The download of {file.name} broke off: {error}.") from error
        finally:
            stream.flush()
            os.fsync(stream.fileno())
    if missing:
        raise TransientError(
            f"The download of {file.name} broke off {missing} bytes before its end."
        )


def _refusal(error: urllib.error.HTTPError, url: str) -> Exception:
    if error.code == http.HTTPStatus.GONE:
        return ProductReplaced()
    try:
        sentence = _printable(str(json.loads(error.read(MAX_JSON))["error"]["message"]))
    except (ValueError, KeyError, TypeError):
        sentence = f"{url} answers with HTTP {error.code}."
    kind = TransientError if error.code in (429, 500, 502, 503, 504) else InputError
    return kind(sentence, url=url, status=error.code)


def _object(body: bytes) -> dict[str, Any]:
    value = json.loads(body)
    if not isinstance(value, dict):
        raise TypeError
    return value


def _campaign(item: Any) -> RemoteCampaign:
    progress, version = item["progress"], item["product_version"]
    return RemoteCampaign(
        name=str(item["name"]),
        state=str(item["state"]),
        issued=int(progress["issued"]),
        ended=int(progress["ended"]),
        product_version=None if version is None else int(version),
        judgement=_printable(item.get("judgement")),
    )


def _product(answer: Any) -> RemoteProduct:
    return RemoteProduct(
        campaign=str(answer["campaign"]),
        version=int(answer["version"]),
        judgement=judgement(answer),
        report=read_report(answer),
        files=tuple(_file(item) for item in answer["files"]),
    )


def _printable(value: Any) -> str:
    """Return a text that cannot steer a terminal; empty if it is none."""
    if not isinstance(value, str):
        return ""
    return "".join(character for character in value if character.isprintable())


def _file(item: Any) -> RemoteFile:
    digest, nbytes = str(item["sha256"]), int(item["nbytes"])
    if not _SHA256.fullmatch(digest) or nbytes < 0:
        raise ValueError
    return RemoteFile(check_file_name(str(item["name"])), nbytes, digest)
