"""The vocabulary every room of OpenAstro@home shares.

States and the pure life-cycle machine, the sealed unit, output formats, seeds, code signing, the
BOINC protocol codec, settings and errors. This package imports none of the others.
"""

from __future__ import annotations

__version__ = "0.1.0"
