from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from apps.ttv.population_output import (
    PopulationOutput,
    content_digest,
    read_population_output,
    write_population_output,
)
from boinc_project.errors import OutputError

N_PART, N_POINT, N_DIM = 4, 9, 3


@pytest.fixture
def output() -> PopulationOutput:
    rng = np.random.default_rng(1)
    weights = rng.normal(size=(N_PART, N_POINT))
    weights[1, 2] = -np.inf
    return PopulationOutput(
        unit_digest="ab" * 32,
        app_version=220,
        platform="x86_64-pc-linux-gnu",
        app_digest="cd" * 32,
        parameter_names=("b.mass", "b.period", "c.mass"),
        points=rng.normal(size=(N_PART, N_POINT, N_DIM)),
        log_density=rng.normal(size=(N_PART, N_POINT)),
        log_weight=weights,
        island_log_z=np.array([-3.0, -3.5]),
        wide=rng.normal(size=(2, N_POINT, N_DIM)),
        step=np.array([0.5, 3.0, 0.05]),
        modified_kick=1,
        corrections=2,
        peaks=rng.normal(size=(2, N_DIM)),
        peak_covariances=np.stack([np.eye(N_DIM), 2.0 * np.eye(N_DIM)]),
        peak_chi2=np.array([30.0, 31.0]),
        peak_counts=np.array([7, 2]),
        artefact=1,
        above=0,
        ridge=3,
        n_likelihood=1234,
        failures={"hyperbolic": 3},
    )


@pytest.fixture
def path(tmp_path: Path, output: PopulationOutput) -> Path:
    path = tmp_path / "output.h5"
    write_population_output(path, output)
    return path


def test_reads_what_it_wrote(path: Path, output: PopulationOutput) -> None:
    again = read_population_output(path)
    for name in PopulationOutput.__slots__:
        written, read = getattr(output, name), getattr(again, name)
        if isinstance(written, np.ndarray):
            assert read.dtype == written.dtype, name
            assert read.tobytes() == written.tobytes(), name
        else:
            assert read == written, name


def test_the_same_output_is_the_same_bytes(
    tmp_path: Path, path: Path, output: PopulationOutput
) -> None:
    write_population_output(tmp_path / "again.h5", output)
    assert (tmp_path / "again.h5").read_bytes() == path.read_bytes()


def test_the_digest_is_of_numbers_and_not_of_who_computed_them(
    path: Path, output: PopulationOutput
) -> None:
    digest = content_digest(output)
    assert content_digest(read_population_output(path)) == digest
    elsewhere = replace(output, app_version=300, platform="windows_x86_64", app_digest="ef" * 32)
    assert content_digest(elsewhere) == digest


def last_bit(values: np.ndarray) -> np.ndarray:
    changed = values.copy()
    changed.flat[0] = np.nextafter(changed.flat[0], np.inf)
    return changed


ARRAYS = [
    *("points", "log_density", "log_weight", "island_log_z", "wide", "step", "peaks"),
    *("peak_covariances", "peak_chi2"),
]


@pytest.mark.parametrize("field", ARRAYS)
def test_the_digest_shows_the_last_bit(output: PopulationOutput, field: str) -> None:
    changed = replace(output, **{field: last_bit(getattr(output, field))})
    assert content_digest(changed) != content_digest(output)


@pytest.mark.parametrize(
    "changes",
    [
        {"unit_digest": "ba" * 32},
        {"n_likelihood": 1235},
        {"modified_kick": 0},
        {"corrections": 1},
        {"ridge": 2},
        {"peak_counts": np.array([7, 3])},
        {"failures": {"hyperbolic": 4}},
        {"failures": {}},
        {"parameter_names": ("b.mass", "b.period", "d.mass")},
    ],
)
def test_the_digest_shows_texts_and_counts(
    output: PopulationOutput, changes: dict[str, Any]
) -> None:
    assert content_digest(replace(output, **changes)) != content_digest(output)


@pytest.mark.parametrize(
    "changes",
    [
        {"points": np.zeros((N_PART, N_DIM))},
        {"points": np.zeros((N_PART, 0, N_DIM))},
        {"log_density": np.zeros((N_PART, N_POINT + 1))},
        {"log_weight": np.zeros((N_PART + 1, N_POINT))},
        {"log_weight": np.zeros(N_PART * N_POINT)},
        {"island_log_z": np.zeros((2, 2))},
        {"wide": np.zeros((3, N_POINT, N_DIM))},
        {"wide": np.zeros((2, N_POINT, N_DIM + 1))},
        {"step": np.zeros(2)},
        {"peaks": np.zeros((2, N_DIM + 1))},
        {"peak_covariances": np.zeros((2, N_DIM))},
        {"peak_chi2": np.zeros(3)},
        {"peak_counts": np.zeros(3, dtype=np.int64)},
        {"corrections": -1},
        {"parameter_names": ("b.mass", "b.period")},
        {"parameter_names": ("b.mass", "b.mass", "c.mass")},
        {"n_likelihood": -1},
        {"unit_digest": "ab"},
    ],
)
def test_what_does_not_fit_together_is_not_written(
    tmp_path: Path, output: PopulationOutput, changes: dict[str, Any]
) -> None:
    path = tmp_path / "bad.h5"
    with pytest.raises(OutputError):
        write_population_output(path, replace(output, **changes))
    assert not path.exists()


def test_a_missing_file_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        read_population_output(tmp_path / "none.h5")


@pytest.mark.parametrize("n_byte", [0, 10, 800, -1])
def test_a_file_that_was_cut_off_is_damaged(path: Path, n_byte: int) -> None:
    path.write_bytes(path.read_bytes()[:n_byte])
    with pytest.raises(OutputError):
        read_population_output(path)


@pytest.mark.parametrize("name", [*ARRAYS, "peak_counts"])
def test_a_dataset_that_is_missing_or_of_another_type_is_damaged(path: Path, name: str) -> None:
    with h5py.File(path, "r+") as file:
        values = file[name][()]
        del file[name]
        file[name] = values.astype("<f4")
    with pytest.raises(OutputError):
        read_population_output(path)
    with h5py.File(path, "r+") as file:
        del file[name]
    with pytest.raises(OutputError):
        read_population_output(path)


def test_a_file_with_more_in_it_is_refused(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file["more"] = np.zeros(3)
    with pytest.raises(OutputError):
        read_population_output(path)


def test_another_format_is_refused(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file.attrs["format"] = 1
    with pytest.raises(OutputError):
        read_population_output(path)
