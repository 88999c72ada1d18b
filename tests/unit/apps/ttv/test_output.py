from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from apps.ttv.output import (
    OutputLimits,
    TtvOutput,
    content_digest,
    read_ttv_output,
    write_ttv_output,
)
from boinc_project.errors import OutputError

N_DRAW, N_WALKER, N_DIM = 7, 4, 3


@pytest.fixture
def output() -> TtvOutput:
    rng = np.random.default_rng(1)
    return TtvOutput(
        unit_digest="ab" * 32,
        app_version=100,
        platform="x86_64-pc-linux-gnu",
        app_digest="cd" * 32,
        parameter_names=("b.mass", "b.period", "c.mass"),
        draws=rng.normal(size=(N_DRAW, N_WALKER, N_DIM)),
        log_prob=rng.normal(size=(N_DRAW, N_WALKER)),
        accepted=np.arange(N_WALKER, dtype=np.int64),
        n_likelihood=1234,
        failures={"hyperbolic": 3, "missing_transit": 5},
        thin=2,
        n_step=14,
    )


@pytest.fixture
def path(tmp_path: Path, output: TtvOutput) -> Path:
    path = tmp_path / "output.h5"
    write_ttv_output(path, output)
    return path


def assert_same(a: TtvOutput, b: TtvOutput) -> None:
    for name in TtvOutput.__slots__:
        one, two = getattr(a, name), getattr(b, name)
        if isinstance(one, np.ndarray):
            assert one.dtype == two.dtype, name
            assert one.tobytes() == two.tobytes(), name
        else:
            assert one == two, name


def test_reads_what_it_wrote(path: Path, output: TtvOutput) -> None:
    assert_same(read_ttv_output(path), output)


def test_no_failures_is_an_empty_table(tmp_path: Path, output: TtvOutput) -> None:
    write_ttv_output(tmp_path / "x.h5", replace(output, failures={}))
    assert read_ttv_output(tmp_path / "x.h5").failures == {}


def test_same_output_gives_the_same_bytes(
    tmp_path: Path, output: TtvOutput, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_ttv_output(tmp_path / "a.h5", output)
    (tmp_path / "elsewhere").mkdir()
    # Another name, another folder, another insertion order of the failures, a later second.
    monkeypatch.setattr("time.time", lambda: 2e9)
    other = replace(output, failures=dict(reversed(output.failures.items())))
    write_ttv_output(tmp_path / "elsewhere" / "b.h5", other)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "elsewhere" / "b.h5").read_bytes()


def test_leaves_nothing_else_behind(path: Path) -> None:
    assert [entry.name for entry in path.parent.iterdir()] == ["output.h5"]


def test_nan_is_read_as_it_is(tmp_path: Path, output: TtvOutput) -> None:
    log_prob = output.log_prob.copy()
    log_prob[0, 0], log_prob[1, 1] = np.nan, -np.inf
    write_ttv_output(tmp_path / "x.h5", replace(output, log_prob=log_prob))
    np.testing.assert_array_equal(read_ttv_output(tmp_path / "x.h5").log_prob, log_prob)


def changed(array: np.ndarray) -> np.ndarray:
    copy = array.copy()
    copy.flat[-1] = np.nextafter(copy.flat[-1], 9.0) if copy.dtype == float else copy.flat[-1] + 1
    return copy


@pytest.mark.parametrize(
    "change",
    [
        lambda o: replace(o, unit_digest="00" * 32),
        lambda o: replace(o, parameter_names=("b.mass", "b.period", "c.period")),
        lambda o: replace(o, draws=changed(o.draws)),
        lambda o: replace(o, log_prob=changed(o.log_prob)),
        lambda o: replace(o, accepted=changed(o.accepted)),
        lambda o: replace(o, n_likelihood=1235),
        lambda o: replace(o, failures={"hyperbolic": 4, "missing_transit": 5}),
        lambda o: replace(o, thin=1),
        lambda o: replace(o, n_step=15),
    ],
)
def test_content_digest_covers_what_was_computed(change, output: TtvOutput) -> None:
    assert content_digest(change(output)) != content_digest(output)


def test_content_digest_ignores_who_computed_it(path: Path, output: TtvOutput) -> None:
    other = replace(output, app_version=101, platform="aarch64", app_digest="")
    assert content_digest(other) == content_digest(read_ttv_output(path))


def test_every_truncation_is_refused(path: Path) -> None:
    data = path.read_bytes()
    short = path.with_name("short.h5")
    for length in [0, 1, 7, 8, *range(16, len(data), 97), len(data) - 1]:
        short.write_bytes(data[:length])
        with pytest.raises(OutputError):
            read_ttv_output(short)


def test_garbage_is_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    path = tmp_path / "garbage.h5"
    for signature in (b"", b"\x89HDF\r\n\x1a\n"):
        path.write_bytes(signature + rng.bytes(4096))
        with pytest.raises(OutputError):
            read_ttv_output(path)


def test_damaged_bytes_never_crash_the_reader(path: Path, output: TtvOutput) -> None:
    """A flipped byte is either refused or lands in a value; nothing but OutputError comes out."""
    data = bytearray(path.read_bytes())
    rng = np.random.default_rng(3)
    bad = path.with_name("bad.h5")
    refused = 0
    for position in rng.choice(len(data), size=300, replace=False):
        flipped = bytearray(data)
        flipped[position] ^= int(rng.integers(1, 256))
        bad.write_bytes(flipped)
        try:
            read_ttv_output(bad)
        except OutputError:
            refused += 1
    assert refused > 0


def test_missing_file_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be opened"):
        read_ttv_output(tmp_path / "nowhere.h5")


def test_a_file_over_the_limit_is_not_opened(path: Path) -> None:
    with pytest.raises(OutputError, match="at most 100 are allowed"):
        read_ttv_output(path, limits=OutputLimits(max_bytes=100))


@pytest.mark.parametrize(
    "limits", [OutputLimits(max_draw=6), OutputLimits(max_walker=3), OutputLimits(max_dim=2)]
)
def test_shapes_over_the_limits_are_refused(path: Path, limits: OutputLimits) -> None:
    with pytest.raises(OutputError):
        read_ttv_output(path, limits=limits)


def replaced(name, **arguments):
    def edit(file: h5py.File) -> None:
        del file[name]
        file.create_dataset(name, **arguments)

    return edit


def external_link(file: h5py.File) -> None:
    del file["draws"]
    file["draws"] = h5py.ExternalLink("/etc/hostname", "draws")


def soft_link(file: h5py.File) -> None:
    del file["draws"]
    file["draws"] = h5py.SoftLink("/log_prob")


def external_storage(file: h5py.File) -> None:
    del file["accepted"]
    file.create_dataset(
        "accepted", shape=(N_WALKER,), dtype="<i8", external=[("/etc/passwd", 0, 8 * N_WALKER)]
    )


def virtual(file: h5py.File) -> None:
    del file["accepted"]
    layout = h5py.VirtualLayout(shape=(N_WALKER,), dtype="<i8")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", shape=(N_WALKER,))
    file.create_virtual_dataset("accepted", layout)


def group(file: h5py.File) -> None:
    del file["draws"]
    file.create_group("draws")


def extra(file: h5py.File) -> None:
    file.create_dataset("more", data=np.zeros(3))


def renamed(file: h5py.File) -> None:
    file.move("draws", "drawz")


def attribute(name, value, dtype=None):
    def edit(file: h5py.File) -> None:
        del file.attrs[name]
        file.attrs.create(name, value, dtype=dtype)

    return edit


def no_attribute(file: h5py.File) -> None:
    del file.attrs["thin"]


def other_attribute(file: h5py.File) -> None:
    del file.attrs["thin"]
    file.attrs.create("thinning", 1, dtype="<i8")


SHAPE = (N_DRAW, N_WALKER, N_DIM)


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (replaced("draws", data=np.zeros(SHAPE, "<f4")), "draws has a wrong type"),
        (replaced("draws", data=np.zeros(SHAPE, ">f8")), "draws has a wrong type"),
        (replaced("accepted", data=np.zeros(N_WALKER)), "accepted has a wrong type"),
        (replaced("draws", data=np.zeros((N_DRAW, N_WALKER))), "draws has a wrong shape"),
        (replaced("draws", data=np.zeros((0, N_WALKER, N_DIM))), "draws has a wrong shape"),
        (replaced("draws", data=np.zeros((N_DRAW, N_WALKER, 2))), "parameter names do not fit"),
        (replaced("log_prob", data=np.zeros((N_DRAW + 1, N_WALKER))), "do not fit together"),
        (replaced("accepted", data=np.zeros(N_WALKER + 1, "<i8")), "do not fit together"),
        (replaced("draws", shape=(10**6, 4096, 256), dtype="<f8"), "draws is not complete"),
        (replaced("draws", shape=(2**40, 4, 3), dtype="<f8"), "draws is larger than"),
        (
            replaced("draws", data=np.zeros(SHAPE), compression="gzip", chunks=True),
            "not stored as plain",
        ),
        (replaced("draws", data=np.zeros(SHAPE), chunks=True), "not stored as plain"),
        (replaced("log_prob", data=["text"]), "log_prob has a wrong type"),
        (external_link, "link out of itself"),
        (soft_link, "link out of itself"),
        (external_storage, "not stored as plain"),
        (virtual, "not stored as plain"),
        (group, "draws is not a dataset"),
        (extra, "4 objects instead of 3"),
        (renamed, "objects of other names"),
        (no_attribute, "10 attributes instead of 11"),
        (other_attribute, "no attribute thin"),
        (attribute("thin", 1.0, "<f8"), "thin has a wrong type"),
        (attribute("thin", [1, 2], "<i8"), "thin has a wrong shape"),
        (attribute("thin", h5py.Empty("<i8")), "thin has a wrong shape"),
        (attribute("thin", -1, "<i8"), "negative or too large"),
        (attribute("format", 2, "<i8"), "has format 2"),
        (attribute("unit_digest", "ab" * 32), "unit_digest has a wrong type"),
        (attribute("unit_digest", np.bytes_(b"xy" * 32), "S128"), "SHA-256 digest"),
        (attribute("platform", np.bytes_(b"a\x07b"), "S128"), "unprintable"),
        (attribute("platform", np.bytes_(b"a\xffb"), "S128"), "damaged"),
        (attribute("parameter_names", np.array([b"a", b"a", b"b"], "S128")), "names do not fit"),
        (attribute("failure_kinds", np.array([b"a", b"a"], "S128")), "kinds and counts"),
        (attribute("failure_counts", np.zeros(3, "<i8")), "kinds and counts"),
        (attribute("failure_counts", np.array([-1, 1], "<i8")), "negative or too large"),
    ],
)
def test_hostile_structure_is_refused_in_one_sentence(path: Path, edit, sentence: str) -> None:
    with h5py.File(path, "r+") as file:
        edit(file)
    with pytest.raises(OutputError, match=sentence) as caught:
        read_ttv_output(path)
    assert caught.value.message.endswith(".")
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    "change",
    [
        lambda o: replace(o, parameter_names=("a", "b")),
        lambda o: replace(o, log_prob=o.log_prob[1:]),
        lambda o: replace(o, unit_digest="short"),
        lambda o: replace(o, platform="x" * 129),
        lambda o: replace(o, n_likelihood=-1),
    ],
)
def test_an_inconsistent_output_is_not_written(tmp_path: Path, change, output: TtvOutput) -> None:
    with pytest.raises(OutputError):
        write_ttv_output(tmp_path / "x.h5", change(output))
    assert list(tmp_path.iterdir()) == []
