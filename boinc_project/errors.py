"""All errors of the project, as one tree.

::

    OpenAstroError
    ├── ConfigError             settings or command line flags
    ├── InputError              a file given by a person: campaign, transit-time table, image
    │   ├── FitsError           a FITS file that is damaged, or of a kind that is not read
    │   └── NoImageError        a FITS file that has no image
    ├── ProtocolError           what a client sent
    │   ├── MalformedRequest
    │   ├── RequestTooLarge
    │   └── AuthError
    ├── UnitError               a sealed unit that is not what it says it is
    ├── OutputError             an uploaded output that cannot be read safely
    ├── SigningError            keys, signatures, unsigned or tampered files
    ├── CheckpointError
    │   ├── CorruptCheckpoint
    │   └── IncompatibleCheckpoint
    ├── StateError              an event that a state does not admit
    └── TransientError          try again later; nothing is lost

The docstring of each class is its default message, so that the documentation and the error are one
text. Exceptions carry their data as attributes; the command line and the web pages turn them into
one sentence each.
"""

from __future__ import annotations

from typing import Any


class OpenAstroError(Exception):
    """Something went wrong in OpenAstro@home."""

    def __init__(self, message: str | None = None, **data: Any) -> None:
        self.message = message or " ".join((type(self).__doc__ or "").split())
        self.data = data
        super().__init__(self.message)

    def __getattr__(self, name: str) -> Any:
        # Only called when ordinary lookup fails: data given at construction reads as attributes.
        try:
            return self.__dict__["data"][name]
        except KeyError:
            raise AttributeError(name) from None


class ConfigError(OpenAstroError):
    """A setting has a value that the project cannot work with."""


class InputError(OpenAstroError):
    """A file given to the project is not usable as it is."""


class FitsError(InputError):
    """A FITS file is damaged, or of a kind that the project does not read."""


class NoImageError(InputError):
    """A FITS file has no image of two axes."""


class ProtocolError(OpenAstroError):
    """A request does not follow the BOINC protocol."""


class MalformedRequest(ProtocolError):
    """The request could not be understood."""


class RequestTooLarge(ProtocolError):
    """The request is larger than this server accepts."""


class AuthError(ProtocolError):
    """The account key is not known to this project."""


class UnitError(OpenAstroError):
    """A workunit's input files are not what its unit.json says they are."""


class OutputError(OpenAstroError):
    """An output file is not well formed."""


class SigningError(OpenAstroError):
    """A file's code signature is missing or wrong."""


class CheckpointError(OpenAstroError):
    """A checkpoint cannot be used."""


class CorruptCheckpoint(CheckpointError):
    """A checkpoint's checksum does not match its contents."""


class IncompatibleCheckpoint(CheckpointError):
    """A checkpoint belongs to another unit or another checkpoint format."""


class StateError(OpenAstroError):
    """The life cycle does not admit this event in this state."""


class TransientError(OpenAstroError):
    """The operation cannot be done right now; try again later."""
