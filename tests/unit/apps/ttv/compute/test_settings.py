from __future__ import annotations

import numpy as np
import pytest

from apps.ttv.compute.settings import MAX_PLANETS, Problem, TtvSettings
from apps.ttv.compute.shear import n_feature
from boinc_project.errors import UnitError

NAMES = tuple(
    f"{planet}.{element}"
    for planet in "bc"
    for element in ("mass", "period", "ecosw", "esinw", "t0")
)


def test_free_parameters_have_one_order_whatever_the_files(settings) -> None:
    shuffled = {**settings, "parameters": settings["parameters"][::-1]}
    for given in (settings, shuffled):
        assert Problem.from_mapping(given).parameter_names == NAMES


def test_a_prior_on_the_eccentricity_frees_both_components(settings) -> None:
    problem = Problem.from_mapping(settings)
    assert set(problem.eccentricities) == {"b", "c"}
    assert problem.n_dim == 10


def test_inclination_and_node_default_to_an_edge_on_orbit(settings) -> None:
    settings["parameters"] = [line for line in settings["parameters"] if "incl" not in line["name"]]
    fixed = {p.name: p.fixed for p in Problem.from_mapping(settings).parameters}
    assert fixed["b.inclination"] == 90.0
    assert fixed["c.node"] == 0.0


def test_a_circular_orbit_fixes_both_components(settings, set_parameter) -> None:
    set_parameter(settings, "c.eccentricity", {"fixed": 0.0})
    problem = Problem.from_mapping(settings)
    assert problem.n_dim == 8
    assert {p.fixed for p in problem.parameters if p.name in ("c.ecosw", "c.esinw")} == {0.0}


def test_reads_a_whole_unit(settings, point) -> None:
    settings["start"] = [point] * 20
    read = TtvSettings.from_mapping(settings)
    np.testing.assert_array_equal(read.start, [point] * 20)
    assert read.sampler.moves == (("de", 0.6), ("snooker", 0.4))


def change(path, value):
    def edit(settings) -> None:
        *parents, last = path
        for key in parents:
            settings = settings[key]
        if value is KeyError:
            del settings[last]
        else:
            settings[last] = value

    return edit


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (change(["model"], KeyError), "settings.model is missing"),
        (change(["model", "dt"], KeyError), "settings.model.dt is missing"),
        (change(["model", "dt"], -0.5), "settings.model.dt is not positive"),
        (change(["model", "dt"], 1e-9), "settings.model.dt is too small"),
        (change(["model", "dt"], float("nan")), "settings.model.dt is missing or not a finite"),
        (change(["model", "dt"], True), "settings.model.dt is missing or not a finite"),
        (change(["model", "star_mass"], "1"), "settings.model.star_mass"),
        (change(["model", "end"], -1.0), "settings.model.end is not after"),
        (change(["model", "engine"], "rebound"), "settings.model.engine is 'rebound'"),
        (change(["model", "stars"], 2), "settings.model has an unknown key 'stars'"),
        (change(["model", "planets"], []), "0 planets"),
        (
            change(
                ["model", "planets"],
                [{"name": f"p{i}", "observed": True} for i in range(MAX_PLANETS + 1)],
            ),
            "10 planets, not 1 to 9",
        ),
        (change(["model", "planets", 1, "name"], "b"), "two planets of one name"),
        (change(["model", "planets", 1, "name"], "c.x"), "not of letters and digits"),
        (change(["model", "planets", 1, "observed"], 1), "observed of planet c"),
        (change(["parameters"], {}), "settings.parameters is missing or not a list"),
        (change(["parameters", 0], KeyError), "lacks b.mass"),
        (change(["parameters", 0, "name"], "d.mass"), "unknown parameter 'd.mass'"),
        (change(["parameters", 0, "name"], "b.masss"), "unknown parameter 'b.masss'"),
        (change(["parameters", 0, "name"], "b.period"), "b.period twice"),
        (change(["parameters", 5, "name"], "b.ecosw"), "Both b.ecosw and b.eccentricity"),
        (change(["parameters", 0, "fixed"], 1.0), "b.mass must have either"),
        (change(["parameters", 0, "prior"], KeyError), "b.mass must have either"),
        (change(["parameters", 0, "prior", "kind"], "flat"), "unknown kind, 'flat'"),
        (change(["parameters", 0, "prior", "low"], KeyError), "of b.mass lacks low"),
        (change(["parameters", 0, "prior", "sigma"], 1.0), "of b.mass has no key sigma"),
        (change(["parameters", 0, "prior", "low"], "x"), "b.mass has no number as low"),
        (change(["parameters", 0, "prior", "low"], 100.0), "low is not below high"),
        (change(["parameters", 0, "prior", "low"], -1.0), "b.mass may not be as small as -1"),
        (change(["parameters", 1, "prior", "low"], 0.0), "b.period may not be as small as 0"),
        (change(["parameters", 2], {"name": "b.eccentricity", "fixed": 0.1}), "argument of peri"),
        (
            change(["parameters", 2, "prior"], {"kind": "uniform", "low": -0.1, "high": 0.3}),
            "b.eccentricity does not lie in 0 to 1",
        ),
        (change(["sampler", "n_walker"], 19), "n_walker is 19, less than 20"),
        (change(["sampler", "n_walker"], 20.0), "n_walker is not a whole number"),
        (change(["sampler", "thin"], 4), "not a multiple of settings.sampler.thin"),
        (change(["sampler", "n_step"], 0), "n_step is not a whole number"),
        (change(["sampler", "moves"], []), "moves is empty"),
        (change(["sampler", "moves"], [["walk", 1.0]]), "'walk', which is not one of"),
        (change(["sampler", "moves"], [["de", 0.0]]), "weight of de is not"),
        (change(["sampler", "moves"], [["de", 1.0], ["de", 1.0]]), "has a move twice"),
        (change(["sampler", "moves"], [["mixture", 1.0]]), "settings.sampler.mixture is missing"),
        (change(["start"], KeyError), "settings.start is missing"),
        (change(["start"], [[0.0] * 10] * 19), "not an array of 20 x 10"),
        (change(["start"], [[0.0] * 10] * 19 + [[0.0]]), "not an array of numbers"),
        (change(["start"], [["a"] * 10] * 20), "not an array of 20 x 10"),
        (change(["extra"], 1), "settings has an unknown key 'extra'"),
    ],
)
def test_a_wrong_setting_is_refused_by_its_name(settings, point, edit, sentence: str) -> None:
    settings["start"] = [point] * 20
    edit(settings)
    with pytest.raises(UnitError, match=sentence) as caught:
        TtvSettings.from_mapping(settings)
    assert caught.value.message.endswith(".")


def mixture(n_dim: int = 10) -> dict:
    return {
        "weights": [1.0],
        "means": [[0.0] * n_dim],
        "choleskys": [np.eye(n_dim).tolist()],
        "degrees": 5.0,
    }


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("weights", [0.5], "sum to 1"),
        ("weights", [], "0 components"),
        ("means", [[0.0] * 9], "means is not an array of 1 x 10"),
        ("choleskys", [np.ones((10, 10)).tolist()], "lower triangles"),
        ("choleskys", [np.zeros((10, 10)).tolist()], "lower triangles"),
        ("degrees", 0.0, "degrees is not positive"),
    ],
)
def test_a_wrong_mixture_is_refused(settings, point, key, value, sentence) -> None:
    settings["start"] = [point] * 20
    settings["sampler"]["moves"] = [["mixture", 1.0]]
    settings["sampler"]["mixture"] = mixture()
    TtvSettings.from_mapping(settings)
    settings["sampler"]["mixture"][key] = value
    with pytest.raises(UnitError, match=sentence):
        TtvSettings.from_mapping(settings)


def shear(n_dim: int = 10) -> dict:
    return {
        "order": list(range(n_dim)),
        "center": [0.0] * n_dim,
        "scale": [1.0] * n_dim,
        "coefficients": [[0.0] * n_feature(k) for k in range(n_dim)],
    }


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("order", [0] * 10, "order does not name every parameter once"),
        ("order", [0.5, *range(1, 10)], "order does not name every parameter once"),
        ("scale", [1.0] * 9 + [0.0], "scale has a number that is not positive"),
        ("center", [0.0] * 9, "center is not an array of 10 numbers"),
        ("coefficients", [[0.0]] * 10, "row 1.coefficients is not an array of 3 numbers"),
        ("coefficients", [[0.0]] * 9, "coefficients has 9 rows, not 10"),
        ("coefficients", [["a"], *shear()["coefficients"][1:]], "row 0.coefficients is not"),
        ("more", 1, "unknown key 'more'"),
    ],
)
def test_a_wrong_shear_is_refused(settings, point, key, value, sentence) -> None:
    settings["start"] = [point] * 20
    settings["sampler"]["shear"] = shear()
    TtvSettings.from_mapping(settings)
    settings["sampler"]["shear"][key] = value
    with pytest.raises(UnitError, match=sentence):
        TtvSettings.from_mapping(settings)
