"""FITS files whose header cards are written as bytes, so that they need not be valid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from astropy.io import fits

CARD, BLOCK = 80, 2880


def write_cards(path: Path, data: Any, header: fits.Header, *cards: str) -> Path:
    """Write an image; each card replaces that of its keyword, or comes last if it begins with +."""
    fits.PrimaryHDU(data, header).writeto(path, overwrite=True)
    content = path.read_bytes()
    end = 0
    while content[end : end + 8] != b"END     ":
        end += CARD
    written = [content[at : at + CARD] for at in range(0, end, CARD)]
    for card in cards:
        new = card.removeprefix("+").encode("latin1").ljust(CARD)
        names = [old[:8].strip().upper() for old in written]
        key = new[:8].strip().upper()
        if key in names and not card.startswith("+"):
            written[names.index(key)] = new
        else:
            written.append(new)
    head = b"".join(written) + b"END".ljust(CARD)
    start = -(-(end + CARD) // BLOCK) * BLOCK
    path.write_bytes(head + b" " * (-len(head) % BLOCK) + content[start:])
    return path
