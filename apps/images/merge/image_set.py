"""The product of a campaign of several filters: an image of each, and a preview in colours."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from apps.images.merge.catalogue import ECSV_FILE, FITS_FILE
from apps.images.merge.colours import Channel, choose_channels, colour_preview
from apps.images.merge.coverage_moc import MOC_FILE
from apps.images.merge.files import COMPRESSED, IMAGE_FILE
from apps.images.merge.outcome import ImageOutcome
from apps.images.merge.product import KIND, ImageProduct
from apps.images.merge.report import image_report
from assimilator.directory import write_product
from assimilator.provenance import provenance
from boinc_project.report import REPORT

UNNAMED = "unknown"
"""What a filter is called that no header states."""
_OF_ONE_FILTER = (
    IMAGE_FILE, *(f"{plane}.fits" for plane in COMPRESSED), FITS_FILE, ECSV_FILE, MOC_FILE,
)  # fmt: skip
"""Files of a campaign that had one filter until it was extended; earlier versions list none."""
_PREVIEW, _COVERAGE = "preview.png", "coverage.png"


@dataclass(frozen=True, slots=True, eq=False)
class ImageSet(ImageOutcome):
    """Images of one grid in several filters.

    Attributes
    ----------
    images : tuple[ImageProduct, ...]
        One for each filter, at least two, in the order of their names.
    """

    images: tuple[ImageProduct, ...]

    THING: ClassVar[str] = "the images"

    @property
    def missing(self) -> tuple[str, ...]:
        """Reasons why it is not complete, one sentence each."""
        return self.images[0].missing

    @property
    def n_unit(self) -> int:
        """Number of canonical outputs it was made of."""
        return self.images[0].n_unit

    @property
    def n_frame(self) -> int:
        """Number of frames in all stacks."""
        return sum(image.n_frame for image in self.images)

    @property
    def digest(self) -> str:
        """SHA-256 of the filters' names and digests, in hexadecimal."""
        each = "".join(f"{image.filter}\n{image.digest}\n" for image in self.images)
        return hashlib.sha256(each.encode()).hexdigest()

    @property
    def size(self) -> str:
        """How much is in it, for people."""
        return f"{self.n_frame} frames in {len(self.images)} filters"

    def summary(self) -> dict[str, Any]:
        """Return the summary as plain JSON values; see ``docs/scientist/image-products.md``.

        It has the keys of an image's summary; what there is of each filter stands in ``filters``.
        """
        each = [image.summary() for image in self.images]
        names = file_names([image.filter for image in self.images])
        remarks = list(
            dict.fromkeys(line for image in self.images for line in image.campaign_remarks)
        )
        filters = [
            {
                **{key: said[key] for key in _OF_EACH},
                "filter": image.filter,
                "files": name,
                "remarks": [line for line in said["remarks"] if line not in remarks],
            }
            for image, said, name in zip(self.images, each, names, strict=True)
        ]
        told = [_told(said, name) for said, name in zip(each, names, strict=True)]
        told += [f"{entry['files']}: {line}" for entry in filters for line in entry["remarks"]]
        whole = {
            **each[0],
            **dict.fromkeys(_OF_ONE),
            **self._of_all(each),
            "digest": self.digest,
            "remarks": [*remarks, *told],
            "preview": [channel.name for channel in self._channels()],
            "filters": filters,
            "frames": [
                {**frame, "filter": image.filter}
                for image, said in zip(self.images, each, strict=True)
                for frame in said["frames"]
            ],
        }
        return {**whole, REPORT: image_report(whole, self.outcome, self.size).to_plain()}

    def _of_all(self, each: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return the numbers of a summary that are of all filters together."""
        counted = [image.statistics for image in self.images]
        n_value = sum(numbers.n_kept + numbers.n_rejected for numbers in counted)
        n_rejected = sum(numbers.n_rejected for numbers in counted)
        flags = counted[0].n_flagged
        return {
            **{key: sum(said[key] for said in each) for key in ("n_frame", "exposure_s")},
            **{key: max(said[key] for said in each) for key in _OF_MOST},
            "n_source": sum(said["n_source"] or 0 for said in each) or None,
            "n_rejected": n_rejected,
            "rejected_fraction": n_rejected / n_value if n_value else 0.0,
            "n_flagged": {
                flag: sum(numbers.n_flagged[flag] for numbers in counted) for flag in flags
            },
        }

    def provenance(self) -> dict[str, Any]:
        """Return where they come from, as plain JSON values."""
        first = self.images[0]
        return provenance(
            first.campaign,
            first.units,
            first.rejected,
            digest=self.digest,
            created_at=first.created_at.isoformat(),
            digest_of=KIND,
        )

    def write(self, directory: Path) -> None:
        """Write all files into `directory`; each appears whole or not at all.

        The files of a filter are those of an image, with the filter's name before their suffix.
        """
        write_product(
            directory,
            self._write_files,
            summary=self.summary(),
            provenance=self.provenance(),
            superseded=_OF_ONE_FILTER,
        )

    def _write_files(self, directory: Path) -> None:
        for image, name in zip(
            self.images, file_names([image.filter for image in self.images]), strict=True
        ):
            own = directory / f".{name}"
            own.mkdir()
            image.write_files(own)
            for path in own.iterdir():
                path.replace(directory / f"{path.stem}-{name}{path.suffix}")
            shutil.rmtree(own)
        self._write_pictures(directory)

    def _write_pictures(self, directory: Path) -> None:
        # Matplotlib takes a second to import; only who writes a product needs it.
        from apps.images.merge.pictures import coverage_plot, shrink

        first = self.images[0]
        size = first.planes.grid.nx, first.planes.grid.ny
        (directory / _PREVIEW).write_bytes(
            colour_preview(
                [shrink(channel.rows(), *size) for channel in self._channels()],
                first.described.marks(first.planes.grid),
            )
        )
        counts = [shrink(image.planes.rows("count"), *size) for image in self.images]
        plot = coverage_plot(sum(counts[1:], counts[0]), first.campaign.title, size)
        (directory / _COVERAGE).write_bytes(plot)

    def _channels(self) -> tuple[Channel, ...]:
        return choose_channels(
            [
                (image.filter or UNNAMED, partial(image.planes.rows, "image"))
                for image in self.images
                if image.n_frame
            ]
        )


_OF_ONE = (
    "depth", "reference", "observation", "seeing", "zero_point", "aperture_radius",
    "noise_correlation",
)  # fmt: skip
"""Keys of a summary that only an image of one filter has."""
_OF_MOST = ("frames_deepest", "covered_fraction")
"""Keys whose number is the largest of all filters'."""
_OF_EACH = (
    *_OF_ONE, *_OF_MOST, "n_frame", "exposure_s", "digest", "n_source", "n_rejected",
    "rejected_fraction", "n_flagged",
)  # fmt: skip
"""Keys that the entry of each filter has."""


def file_names(filters: Sequence[str]) -> list[str]:
    """Return what the files of each filter have in their names; unlike without regard to case."""
    taken: set[str] = set()
    names = []
    for name in filters:
        plain = re.sub(r"[^A-Za-z0-9.+]+", "_", name).strip("_.") or UNNAMED
        number, free = 1, plain
        while free.casefold() in taken:
            number += 1
            free = f"{plain}_{number}"
        taken.add(free.casefold())
        names.append(free)
    return names


def _told(said: dict[str, Any], name: str) -> str:
    depth = "" if said["depth"] is None else f", depth {said['depth']:.4g}"
    return (
        f"image-{name}.fits: {said['n_frame']} frames, {said['exposure_s']:g} s{depth}, "
        f"reference {said['reference']}."
    )
