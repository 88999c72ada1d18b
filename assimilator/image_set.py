"""The product of a campaign of several filters: an image of each, and a preview in colours."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assimilator.colours import Channel, choose_channels, colour_preview
from assimilator.directory import write_product
from assimilator.image_files import COMPRESSED, IMAGE_FILE
from assimilator.image_product import KIND, ImageProduct
from assimilator.provenance import provenance

UNNAMED = "unknown"
"""What a filter is called that no header states."""
_OF_ONE_FILTER = (IMAGE_FILE, *(f"{plane}.fits" for plane in COMPRESSED))
"""Files of a campaign that had one filter until it was extended; earlier versions list none."""
_PREVIEW, _COVERAGE = "preview.png", "coverage.png"
_SUMS = ("n_frame", "n_rejected")


@dataclass(frozen=True, slots=True, eq=False)
class ImageSet:
    """Images of one grid in several filters.

    Attributes
    ----------
    images : tuple[ImageProduct, ...]
        One for each filter, at least two, in the order of their names.
    """

    images: tuple[ImageProduct, ...]

    @property
    def sampled(self) -> bool:
        """Whether all frames are in: what ends a campaign of images."""
        return self.images[0].sampled

    @property
    def converged(self) -> bool:
        """Whether all frames are in."""
        return self.images[0].converged

    @property
    def missing(self) -> tuple[str, ...]:
        """What keeps it from being complete, one sentence each."""
        return self.images[0].missing

    @property
    def draws(self) -> None:
        """None: images have no draws."""
        return

    @property
    def n_draw(self) -> int:
        """0: images have no draws."""
        return 0

    @property
    def n_unit(self) -> int:
        """Number of canonical outputs it was made of."""
        return self.images[0].n_unit

    @property
    def n_frame(self) -> int:
        """Number of frames in all stacks."""
        return sum(one.n_frame for one in self.images)

    @property
    def digest(self) -> str:
        """SHA-256 of the filters' names and digests, in hexadecimal."""
        each = "".join(f"{one.filter}\n{one.digest}\n" for one in self.images)
        return hashlib.sha256(each.encode()).hexdigest()

    @property
    def size(self) -> str:
        """How much is in it, for people."""
        return f"{self.n_frame} frames in {len(self.images)} filters"

    @property
    def outcome(self) -> str:
        """How far it is, one sentence."""
        if self.converged:
            return f"All {self.n_frame} frames are in the images."
        return " ".join(self.missing)

    def summary(self) -> dict[str, Any]:
        """Return the summary as plain JSON values; see ``docs/scientist/image-products.md``.

        It has the keys of an image's summary; what there is of each filter stands in ``filters``.
        """
        each = [one.summary() for one in self.images]
        names = file_names([one.filter for one in self.images])
        shared = each[0]
        remarks = list(dict.fromkeys(line for one in self.images for line in one.campaign_remarks))
        filters = []
        for image, said, name in zip(self.images, each, names, strict=True):
            own = [line for line in said["remarks"] if line not in remarks]
            filters.append({
                **{key: value for key, value in said.items()
                   if key not in shared or shared[key] != value or key in _OF_EACH},
                "filter": image.filter, "files": name, "remarks": own,
            })  # fmt: skip
        told = [_told(one, name) for one, name in zip(each, names, strict=True)]
        return {
            **{key: value for key, value in shared.items() if key not in _OF_ONE},
            **dict.fromkeys(_OF_ONE),
            "n_source": sum(said["n_source"] or 0 for said in each) or None,
            **{key: sum(one[key] for one in each) for key in _SUMS},
            "exposure_s": sum(one["exposure_s"] for one in each),
            "digest": self.digest,
            "remarks": [*remarks, *told, *(f"{one['files']}: {line}" for one in filters
                                           for line in one["remarks"])],
            "preview": [channel.name for channel in self._channels()],
            "filters": filters,
            "frames": [
                {**frame, "filter": image.filter}
                for image, said in zip(self.images, each, strict=True)
                for frame in said["frames"]
            ],
        }  # fmt: skip

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
            self.images, file_names([one.filter for one in self.images]), strict=True
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
        from assimilator.pictures import coverage_plot, shrink

        first = self.images[0]
        size = first.planes.grid.nx, first.planes.grid.ny
        (directory / _PREVIEW).write_bytes(
            colour_preview(
                [shrink(one.rows(), *size) for one in self._channels()],
                first.described.marks(first.planes.grid),
            )
        )
        counts = [shrink(one.planes.rows("count"), *size) for one in self.images]
        plot = coverage_plot(sum(counts[1:], counts[0]), first.campaign.title, size)
        (directory / _COVERAGE).write_bytes(plot)

    def _channels(self) -> tuple[Channel, ...]:
        return choose_channels(
            [(one.filter or UNNAMED, lambda one=one: one.planes.rows("image"))  # type: ignore[misc]
             for one in self.images if one.n_frame]
        )  # fmt: skip


_OF_ONE = ("depth", "reference", "observation", "seeing", "zero_point")
"""What only an image of one filter has."""
_OF_EACH = frozenset(
    {"n_frame", "exposure_s", "depth", "digest", "reference", "frames_deepest", "covered_fraction",
     "n_rejected", "rejected_fraction", "aperture_radius", "n_source", *_OF_ONE}
)  # fmt: skip


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
