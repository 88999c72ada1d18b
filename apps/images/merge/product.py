"""A campaign's product: the co-added image, what is known of it, and its files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from apps.images.merge.clipping_remarks import clipping_remarks
from apps.images.merge.coadd.options import Options
from apps.images.merge.coadd.stack import Coadded
from apps.images.merge.colour_terms import colour_remarks
from apps.images.merge.description import Described
from apps.images.merge.files import write_image_files
from apps.images.merge.header import (
    ImageHeaders,
    StackedFrame,
    grid_cards,
    history_cards,
    observation_cards,
    product_cards,
)
from apps.images.merge.outcome import ImageOutcome
from apps.images.merge.planes import Planes
from apps.images.merge.report import image_report
from apps.images.merge.statistics import Statistics
from assimilator.directory import write_product
from assimilator.provenance import provenance
from assimilator.summary import head
from boinc_project.campaign import Campaign
from boinc_project.fits.cards import Card, card
from boinc_project.outputs import Rejected
from boinc_project.report import REPORT

KIND = "image"
"""What ``kind`` of a summary says of an image; a posterior's summary has no such key."""


@dataclass(frozen=True, slots=True, eq=False)
class ImageProduct(ImageOutcome):
    """What all canonical outputs of a campaign add up to.

    Attributes
    ----------
    campaign : Campaign
        Whose product it is.
    options : Options
        How it was co-added.
    coadded : Coadded or None
        The frames, and how they were matched; None if there are none.
    described : Described
        When, of what and where it is, and the catalogue of its sources.
    planes : Planes
        The stack; its scratch files are there for as long as the product is in use.
    statistics : Statistics
        Of it.
    units : tuple[dict, ...]
        Provenance of every canonical output.
    rejected : tuple[Rejected, ...]
        Results that are not in it.
    created_at : datetime
        Aware; when it was made.
    filter : str
        Of its frames; empty if it is not known, or they have several.
    """

    campaign: Campaign
    options: Options
    coadded: Coadded | None
    described: Described
    planes: Planes
    statistics: Statistics
    units: tuple[dict[str, Any], ...]
    rejected: tuple[Rejected, ...]
    created_at: datetime
    filter: str = ""

    @property
    def missing(self) -> tuple[str, ...]:
        """Reasons why it is not complete, one sentence each."""
        wanted = self.campaign.stop.max_units
        if self.n_unit >= wanted:
            return ()
        return (f"{wanted - self.n_unit} of {wanted} units are not in the image.",)

    @property
    def n_unit(self) -> int:
        """Number of canonical outputs it was made of."""
        return len(self.units)

    @property
    def n_frame(self) -> int:
        """Number of frames in the stack."""
        return 0 if self.coadded is None else len(self.coadded.sources)

    @property
    def digest(self) -> str:
        """SHA-256 over all planes of the stack, in hexadecimal."""
        return self.planes.digest

    @property
    def size(self) -> str:
        """How much is in it, for people."""
        return f"{self.n_frame} frames"

    @property
    def campaign_remarks(self) -> tuple[str, ...]:
        """What was seen when the campaign's images were looked at, one sentence each."""
        return tuple(self.campaign.settings.get("remarks", ()))

    def summary(self) -> dict[str, Any]:
        """Return the summary as plain JSON values; see ``docs/scientist/image-products.md``."""
        grid, numbers = self.planes.grid, self.statistics
        values = numbers.n_kept + numbers.n_rejected
        told = {
            **head(self.campaign),
            "kind": KIND,
            "created_at": self.created_at.isoformat(),
            "digest": self.digest,
            "converged": self.converged,
            "missing": list(self.missing),
            "remarks": [*self.campaign_remarks, *self._remarks()],
            "n_unit": self.n_unit,
            "n_unit_wanted": self.campaign.stop.max_units,
            "n_frame": self.n_frame,
            "grid": {"nx": grid.nx, "ny": grid.ny},
            "covered_fraction": numbers.n_pixel / (grid.nx * grid.ny),
            "exposure_s": sum(source.exposure for source in self._sources()),
            **self.described.summary(),
            "frames_deepest": numbers.deepest,
            "depth": numbers.depth,
            "noise_correlation": numbers.correlation,
            "rejected_fraction": numbers.n_rejected / values if values else 0.0,
            "n_rejected": numbers.n_rejected,
            "n_flagged": dict(numbers.n_flagged),
            "clip": {
                "by": self.options.clip,
                "sigma": self.options.limits.sigma,
                "iterations": self.options.iterations,
            },
            "background": self.options.background,
            "reference": self._reference(),
            "aperture_radius": None if self.coadded is None else self.coadded.matched.radius,
            "frames": self._frames(),
        }
        return {**told, REPORT: image_report(told, self.outcome, self.size).to_plain()}

    def provenance(self) -> dict[str, Any]:
        """Return where it comes from, as plain JSON values."""
        return provenance(
            self.campaign,
            self.units,
            self.rejected,
            digest=self.digest,
            created_at=self.created_at.isoformat(),
            digest_of=KIND,
        )

    def write(self, directory: Path) -> None:
        """Write all files into `directory`; each appears whole or not at all.

        A product without frames has a summary and a provenance only.
        """
        write_product(
            directory, self.write_files, summary=self.summary(), provenance=self.provenance()
        )

    def write_files(self, directory: Path) -> None:
        """Write the images and pictures into a directory; nothing if there are no frames."""
        if self.n_frame:
            headers = self._headers()
            write_image_files(directory, self.planes, headers)
            self.described.write(directory, self.planes, headers)
            self._write_pictures(directory)

    def _write_pictures(self, directory: Path) -> None:
        # The library of pictures takes a while to import; only who writes a product needs it.
        from apps.images.merge.pictures import coverage_plot, preview, shrink

        grid = self.planes.grid
        image, count = (
            shrink(self.planes.rows(name), grid.nx, grid.ny) for name in ("image", "count")
        )
        (directory / "preview.png").write_bytes(preview(image, self.described.marks(grid)))
        plot = coverage_plot(count, self.campaign.title, (grid.nx, grid.ny))
        (directory / "coverage.png").write_bytes(plot)

    def _headers(self) -> ImageHeaders:
        seen = self.described.seen
        assert seen is not None  # there are frames
        return ImageHeaders(
            product=product_cards(self.campaign.name, self.digest, self.n_frame, self.created_at),
            observation=[
                *observation_cards(seen, self.described.zero_point),
                *self._noise(),
            ],
            history=list(history_cards(self._stacked())),
            grid=grid_cards(self.campaign.settings["grid"].get("cards", ())),
            seen=seen,
        )

    def _stacked(self) -> list[StackedFrame]:
        if self.coadded is None:
            return []
        matched = self.coadded.matched
        total = float(matched.weight.sum())
        return [
            StackedFrame(source.frame.name, scale.value, float(weight) / total)
            for source, scale, weight in zip(
                self.coadded.sources, matched.scales, matched.weight, strict=True
            )
        ]

    def _noise(self) -> list[Card]:
        """Return what programs that estimate errors need to know beside the gain."""
        correlated = self.statistics.correlation
        if correlated is None:
            return []
        return [card("OANOICOR", correlated, "noise in areas over noise of a pixel")]

    def _sources(self) -> Sequence[Any]:
        return () if self.coadded is None else self.coadded.sources

    def _reference(self) -> str | None:
        if self.coadded is None:
            return None
        return self.coadded.sources[self.coadded.matched.reference].frame.name

    def _frames(self) -> list[dict[str, Any]]:
        if self.coadded is None:
            return []
        matched = self.coadded.matched
        total = float(matched.weight.sum())
        relative = matched.limit / matched.limit[matched.reference]
        return [
            {
                "name": source.frame.name,
                "digest": source.digest,
                "window": {
                    "x0": source.frame.x0, "y0": source.frame.y0,
                    "nx": source.frame.nx, "ny": source.frame.ny,
                },
                "exposure_s": source.exposure,
                "noise": source.frame.noise,
                "flux_scale": {"value": scale.value, "error": scale.error},
                "n_star": scale.n_star,
                "weight": float(weight),
                "weight_share": float(weight) / total,
                "gain": source.gain,
                "limit": float(limit) if math.isfinite(limit) else None,
                "background": coefficients.tolist(),
                "n_block": int(n_block),
                "core": float(core),
                "n_cut_star": n_cut,
                "n_trail": n_trail,
                "astrometry": None if source.astrometry is None else dict(source.astrometry),
                "remark": scale.remark,
            }
            for source, scale, weight, limit, coefficients, n_block, core, (n_cut, n_trail) in zip(
                self.coadded.sources, matched.scales, matched.weight, relative,
                matched.surfaces.coefficients, matched.surfaces.n_block, matched.core,
                matched.blanks.counts(len(matched.core)), strict=True,
            )
        ]  # fmt: skip

    def _remarks(self) -> list[str]:
        """Say what a user of the image should know, one sentence each."""
        if self.coadded is None:
            return []
        remarks, matched = list(self.described.remarks), self.coadded.matched
        unmeasured = [
            source.frame.name
            for source, scale in zip(self.coadded.sources, matched.scales, strict=True)
            if scale.error is None
        ]
        if self.options.flux == "stars" and unmeasured:
            remarks.append(
                "The flux scale was not measured, and is 1, for: " + ", ".join(unmeasured) + "."
            )
        apart = [
            source.frame.name
            for place, (source, n_block) in enumerate(
                zip(self.coadded.sources, matched.surfaces.n_block, strict=True)
            )
            if not n_block and place != matched.reference
        ]
        if self.options.background != "none" and apart:
            remarks.append(
                "The background was not matched, for want of overlap, for: "
                + ", ".join(apart) + "."
            )  # fmt: skip
        trailed = [
            source.frame.name
            for source, (_, n_trail) in zip(
                self.coadded.sources, matched.blanks.counts(self.n_frame), strict=True
            )
            if n_trail
        ]
        remarks += colour_remarks(self.coadded.sources, matched)
        return [*remarks, *clipping_remarks(self.options, self.statistics, trailed)]
