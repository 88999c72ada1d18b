"""The routes of ``/api/v1``: open to everybody, only reads, nothing about persons.

Every error is ``{"error": {"status": ..., "message": ...}}``; `server.app` makes it so for
everything below ``/api/``.
"""

from __future__ import annotations

import re

from flask import Blueprint, abort, jsonify, make_response, request, url_for
from flask.typing import ResponseReturnValue

from boinc_project.errors import InputError
from server.blueprints.api import shapes
from server.blueprints.api.product_answer import REVALIDATE, answer_with_file
from server.blueprints.web.blueprint import digest_memory
from server.project import current_project
from server.services import campaign_view, products_view, workunit_view

blueprint = Blueprint("api", __name__, url_prefix="/api/v1")

NO_CAMPAIGN = "There is no campaign of this name; /api/v1/campaigns lists them all."
_PLACE = re.compile(r"([0-9]{1,9})\.([0-9]{1,9})", re.ASCII)
_DECIMAL = re.compile(r"[+-]?[0-9]{1,9}(\.[0-9]{0,18})?", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)


@blueprint.get("/campaigns")
def campaign_list() -> ResponseReturnValue:
    """List campaigns, newest first, a page at a time."""
    page = campaign_view.campaigns(current_project().database, before=_number("before"))
    return jsonify(
        campaigns=[shapes.campaign_summary(one) for one in page.campaigns],
        next=None if page.older is None else url_for("api.campaign_list", before=page.older),
    )


@blueprint.get("/campaigns/<name>")
def campaign_one(name: str) -> ResponseReturnValue:
    """Return one campaign: state, progress, stop rule, verdict, diagnostics."""
    view = campaign_view.campaign(current_project().database, name)
    if view is None:
        abort(404, NO_CAMPAIGN)
    return jsonify(shapes.campaign_view(view))


@blueprint.get("/campaigns/<name>/product")
def product(name: str) -> ResponseReturnValue:
    """List the files of the newest product with sizes and digests, and its verdict."""
    project = current_project()
    view = campaign_view.campaign(project.database, name)
    if view is None:
        abort(404, NO_CAMPAIGN)
    files = products_view.product_files(project.settings.path("products"), name, digest_memory())
    if view.product is None or not files:
        abort(
            404, f"The campaign {name} has no product yet; it comes with the first valid outputs."
        )
    urls = {
        file.name: url_for("api.product_file", name=name, file=file.name, sha256=file.sha256)
        for file in files
    }
    return jsonify(
        campaign=name,
        version=view.product.version,
        digest=view.product.digest,
        kind=view.product.kind,
        verdict=shapes.verdict(view.product),
        converged=shapes.converged(view.product),
        judgement=view.product.judgement.phrase,
        missing=shapes.missing(view.product),
        report=shapes.report(view.product),
        create_time=view.product.create_time.isoformat(timespec="milliseconds"),
        files=shapes.product_files(files, urls),
    )


@blueprint.get("/campaigns/<name>/product/<file>")
def product_file(name: str, file: str) -> ResponseReturnValue:
    """Send one file of the newest product; with ``?sha256=`` only if it still is that file."""
    project = current_project()
    if not campaign_view.campaign_exists(project.database, name):
        abort(404, NO_CAMPAIGN)
    opened = products_view.open_product_file(
        project.settings.path("products"), name, file, digest_memory()
    )
    if opened is None:
        abort(
            404,
            f"The product of {name} has no file {file}; /api/v1/campaigns/{name}/product "
            "lists those that it has.",
        )
    return answer_with_file(*opened, wanted=request.args.get("sha256"))


@blueprint.get("/campaigns/<name>/cutout")
def cutout(name: str) -> ResponseReturnValue:
    """Send a square of a campaign's image around a place, as a FITS file."""
    from apps.images.merge.cutout import (  # most servers are never asked for one
        DEFAULT_SIZE,
        cut_out,
    )

    project = current_project()
    if not campaign_view.campaign_exists(project.database, name):
        abort(404, NO_CAMPAIGN)
    ra, dec, size = _angle("ra"), _angle("dec"), _angle("size", DEFAULT_SIZE)
    plane = request.args.get("plane", "image")
    try:
        data = cut_out(project.settings.path("products") / name, ra, dec, size, plane)
    except InputError as error:
        abort(400, error.message)
    if data is None:
        abort(404, f"The image of {name} does not reach the place {ra:g}, {dec:g}.")
    response = make_response(data)
    response.headers["Content-Type"] = "application/fits"
    file = f"{name}-{plane}-{ra:.5f}{dec:+.5f}.fits"
    response.headers["Content-Disposition"] = f'attachment; filename="{file}"'
    response.headers["Cache-Control"] = REVALIDATE
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


@blueprint.get("/campaigns/<name>/workunits")
def workunits(name: str) -> ResponseReturnValue:
    """List a campaign's workunits with their tasks and verdicts, a page at a time."""
    limit = _number("limit") or 100
    page = workunit_view.workunits(
        current_project().database, name, after=_place("after"), limit=limit
    )
    if page is None:
        abort(404, NO_CAMPAIGN)
    following = None
    if page.after is not None:
        after = "{}.{}".format(*page.after)
        following = url_for("api.workunits", name=name, after=after, limit=limit)
    return jsonify(workunits=[shapes.workunit(row) for row in page.workunits], next=following)


def _number(name: str) -> int | None:
    word = request.args.get(name)
    if word is None:
        return None
    if not _NUMBER.fullmatch(word) or int(word) == 0:
        abort(400, f"{name} must be a whole number of at least 1 and at most 9 digits.")
    return int(word)


def _angle(name: str, default: float | None = None) -> float:
    """Return a number of degrees or arcseconds."""
    word = request.args.get(name, "")
    if not word and default is not None:
        return default
    if not _DECIMAL.fullmatch(word):
        abort(
            400,
            "Write ra and dec in degrees and size in arcseconds, such as "
            "?ra=150.1&dec=2.2&size=60.",
        )
    return float(word)


def _place(name: str) -> tuple[int, int] | None:
    word = request.args.get(name)
    if word is None:
        return None
    match = _PLACE.fullmatch(word)
    if match is None:
        abort(400, f"{name} must be a generation and an index, like 0.63.")
    return int(match[1]), int(match[2])
