"""The part that volunteers compute: spectra of light curves, and those of resampled ones."""

from __future__ import annotations
