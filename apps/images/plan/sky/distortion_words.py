"""Distortions that a header states twice, or by another name than its CTYPE has.

The rules are astropy's, which are those of Shupe et al. 2012 (Proc. SPIE 8451, section 7); they are
kept here, too, because `astropy.wcs.WCS` applies some of them too late for headers of more axes.
"""

from __future__ import annotations

import re

from astropy.io.fits import Header

_SIP = re.compile(r"(A|B|AP|BP)_(\d+_\d+|ORDER|DMAX)")
_PV = re.compile(r"PV[12]_(\d+)")
_FIRST_OF_SCAMP = 5
"""TAN itself has no parameter, but headers repeat LONPOLE and LATPOLE as PV1_1 to PV1_4."""


def settle_distortions(header: Header) -> list[str]:
    """Make a header state its distortion once, in place; return a remark for each change.

    Parameters
    ----------
    header : Header
        With ``CTYPE1`` and ``CTYPE2`` in capitals.
    """
    types = [str(header.get(f"CTYPE{axis}", "")).strip() for axis in (1, 2)]
    sip = [name for name in header if _SIP.fullmatch(name)]
    terms = [name for name in sip if not name.endswith(("_ORDER", "_DMAX"))]
    pv = [match for match in map(_PV.fullmatch, header) if match]
    scamp = any(int(match[1]) >= _FIRST_OF_SCAMP for match in pv)
    if all(word.endswith("-TPV") for word in types):
        if not sip:
            return []
        _remove(header, sip)
        return ["SIP coefficients are beside CTYPE = TPV and contradict it; they are not used."]
    if not all("-TAN" in word for word in types):
        return []
    if all(word.endswith("-SIP") for word in types):
        if scamp and terms:
            _remove(header, [match[0] for match in pv])
            return ["SCAMP's PV coefficients are beside CTYPE = TAN-SIP; SIP is used, PV is not."]
        if not terms and "A_ORDER" not in header:
            return ["CTYPE = TAN-SIP, but there are no SIP coefficients: no distortion is used."]
        return []
    if scamp and all(word.endswith("-TAN") for word in types):
        _remove(header, sip)
        for axis, word in zip((1, 2), types, strict=True):
            header[f"CTYPE{axis}"] = word.replace("-TAN", "-TPV")
        also = " SIP coefficients beside them are not used." if sip else ""
        return ["PV coefficients are beside CTYPE = TAN: they are read as TPV, as SCAMP means them."
                + also]  # fmt: skip
    if terms:
        return ["SIP coefficients are there, but CTYPE does not end in -SIP: they are used."]
    return []


def _remove(header: Header, names: list[str]) -> None:
    for name in names:
        header.remove(name, ignore_missing=True, remove_all=True)
