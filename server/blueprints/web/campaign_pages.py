"""Campaigns, their workunits, and the story of one workunit: open to everybody."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from flask import abort, render_template, request
from flask.typing import ResponseReturnValue

from server.blueprints.web.blueprint import blueprint, digest_memory, wants_fragment
from server.project import current_project
from server.services.campaign_view import campaign, campaigns
from server.services.judgement import NO_REPORT
from server.services.product_view import ProductView
from server.services.products_view import ProductFile, product_files
from server.services.public_story import public_story
from server.services.workunit_view import workunits

_IMAGE = re.compile(r"image(-[A-Za-z0-9.+_]+)?\.fits", re.ASCII)
"""Files that squares can be cut out of, whichever application has written them."""


@blueprint.get("/campaigns")
def campaign_list() -> ResponseReturnValue:
    """List the campaigns, newest first."""
    word = request.args.get("before", "")
    if word and not (word.isascii() and word.isdigit() and len(word) <= 18):
        abort(400, "before must be a whole number.")
    page = campaigns(current_project().database, before=int(word) if word else None)
    return render_template("campaigns/list.html", page=page)


@blueprint.get("/campaigns/<name>")
def campaign_page(name: str) -> ResponseReturnValue:
    """Show one campaign; its script asks for the part that changes again and again."""
    project = current_project()
    view = campaign(project.database, name)
    if view is None:
        abort(404, "There is no campaign of this name.")
    files = product_files(project.settings.path("products"), name, digest_memory())
    template = "campaigns/_live.html" if wants_fragment() else "campaigns/one.html"
    return render_template(
        template,
        campaign=view,
        no_report=NO_REPORT,
        files=files,
        pictures=_pictures(view.product, files),
        cutouts=[Path(file.name).stem for file in files if _IMAGE.fullmatch(file.name)],
    )


@blueprint.get("/campaigns/<name>/workunits")
def campaign_workunits(name: str) -> ResponseReturnValue:
    """List a campaign's workunits."""
    after = None
    word = request.args.get("after", "")
    if word:
        match = re.fullmatch(r"([0-9]{1,9})\.([0-9]{1,9})", word, re.ASCII)
        if match is None:
            abort(400, "after must be a generation and an index, like 0.63.")
        after = (int(match[1]), int(match[2]))
    page = workunits(current_project().database, name, after=after)
    if page is None:
        abort(404, "There is no campaign of this name.")
    return render_template("campaigns/workunits.html", name=name, page=page)


@blueprint.get("/workunits/<name>")
def workunit_story(name: str) -> ResponseReturnValue:
    """Tell everything that happened to one workunit, without naming computers."""
    found = public_story(current_project().database, name)
    if found is None:
        abort(404, "There is no workunit of this name.")
    return render_template("workunit.html", story=found)


def _pictures(
    product: ProductView | None, files: Sequence[ProductFile]
) -> list[tuple[ProductFile, str]]:
    """Return the pictures that are there, each with its caption; without a report, its name."""
    by_name = {file.name: file for file in files if file.media_type.startswith("image/")}
    if product is None or product.report is None:
        return [(file, name) for name, file in by_name.items()]
    captions = {picture.file: picture.caption for picture in product.report.pictures}
    return [(by_name[name], line) for name, line in captions.items() if name in by_name]
