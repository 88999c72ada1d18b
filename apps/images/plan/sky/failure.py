"""Reasons for errors of libraries that read headers and files for us.

Such a library means some of its errors for people and others for its own programmers. The text of
the second kind (``'NoneType' object has no attribute 'data'``) helps nobody who wrote the file.
"""

from __future__ import annotations

INTERNAL = (AttributeError, TypeError, IndexError, NameError, AssertionError)
"""Errors of a program that met what it was not written for."""
FAILED = "the library that reads it fails, as it does where a header contradicts itself"


def reason_of(error: BaseException, line: int = 0) -> str:
    """Return why a library failed, without a full stop.

    Parameters
    ----------
    error : BaseException
        What it raised.
    line : int
        Which of several lines has the reason: the first of astropy's, the last (-1) of wcslib's,
        which begins with a place in its source.
    """
    said = getattr(error, "strerror", None) or str(error)
    lines = [text.strip() for text in str(said).splitlines() if text.strip()]
    if not lines or isinstance(error, INTERNAL):
        return FAILED
    return lines[line].strip('"').rstrip(".")
