"""Periods of many light curves: an application of OpenAstro@home.

`openastro_period.application` ties the rooms: `plan`, `compute`, `validate` and `merge`. Volunteers
get `compute` and the modules beside it, which need numpy, finufft and nifty-ls alone.
"""

from __future__ import annotations
