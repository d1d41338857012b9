"""Scores of columns: those of ClimSim, summed up block by block; budgets and sections."""

import json

import numpy as np
import pytest
import xarray as xr

from climbench.cli import main
from climbench.errors import UserError
from climbench.evaluation import column_data, combine, evaluate, gate, read_scores, write_scores
from climbench.evaluation.rules import GateRules
from climbench.metrics.column_energy import LATENT_HEAT
from climbench.metrics.column_physics import column_scores
from climbench.plot.ranking import headline_of
from climbench.report import Benchmark, leaderboard, report
from climbench.report.comparable import data_identity, published_beside
from climbench.report.tables import scorecard
from climbench.simulate.column_states import column_planet
from tests.small_columns import column_task

METRICS = ["mae", "rmse", "r2", "bias"]


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    return column_task(tmp_path_factory.mktemp("columns")).truth().load()


@pytest.fixture(scope="module")
def outputs(truth):
    return [name for name in truth.data_vars if name.startswith(("ptend", "cam_out"))]


@pytest.fixture(scope="module")
def predictions(truth, outputs):
    """The truth with errors that grow downwards, and a bias."""
    rng = np.random.default_rng(0)
    noisy = {}
    for name in outputs:
        field = truth[name]
        size = 0.3 * float(field.std())
        noisy[name] = field + size * (0.2 + rng.standard_normal(field.shape).astype("f4"))
    return xr.Dataset(noisy).assign_attrs(model="noisy")


def grid_of(truth):
    """The grid as ClimSim's file has it, by independent code of climbench.metrics."""
    planet = column_planet()
    return xr.Dataset(
        {
            "area": ("ncol", truth.area.values),
            "hyai": ("ilev", planet.interface_a),
            "hybi": ("ilev", planet.interface_b),
            "P0": 1e5,
        }
    )


def test_scores_are_those_of_the_published_formulas(predictions, truth, outputs, monkeypatch):
    monkeypatch.setattr(column_data, "BLOCK_BYTES", 2**18)  # one time in a block
    scores = evaluate(predictions, truth, metrics=METRICS)
    expected = column_scores(predictions[outputs], truth[outputs], grid_of(truth), truth.state_ps)
    own = scores.score.sel(model="noisy", region="global", scenario="climsim_twin")
    for name in outputs:
        np.testing.assert_allclose(
            own.sel(channel=name, metric=METRICS),
            expected.score.sel(variable=name, metric=METRICS),
            rtol=1e-6,
        )
    levels = scores.level_score.sel(model="noisy", scenario="climsim_twin", metric=METRICS)
    theirs = expected.level_score.sel(metric=METRICS).transpose("profile", "metric", "lev")
    here = levels.sel(profile=theirs.profile).transpose("profile", "metric", "lev")
    np.testing.assert_allclose(here, theirs, rtol=1e-6)
    constant = scores.constant_outputs.sel(model="noisy", scenario="climsim_twin", channel=outputs)
    np.testing.assert_array_equal(constant, expected.constant_outputs)
    assert "R2 leaves out outputs that never vary" in scores.attrs["notes"]


def test_pooled_r2_is_the_explained_share_of_all_variance(predictions, truth):
    scores = evaluate(predictions, truth, metrics=["r2"])
    area = (truth.area / truth.area.mean()).values
    own, other = (area * one.cam_out_PRECC.values.astype("f8") for one in (predictions, truth))
    share = 1 - ((own - other) ** 2).mean() / ((other - other.mean(0)) ** 2).mean()
    found = scores.score.sel(metric="r2_pooled", channel="cam_out_PRECC").item()
    assert found == pytest.approx(share, rel=1e-6)


def test_an_ensemble_has_the_fair_crps_of_its_members(predictions, truth, outputs):
    rng = np.random.default_rng(1)
    members = xr.concat(
        [predictions + 0.1 * float(rng.normal()) * truth[outputs] for _ in range(4)], "member"
    ).assign_attrs(model="drawn")
    scores = evaluate(members, truth, metrics=METRICS, ensemble_metrics=["crps"])
    expected = column_scores(
        members.rename(member="sample"), truth[outputs], grid_of(truth), truth.state_ps
    )
    for name in outputs:
        own = scores.score.sel(channel=name, metric="crps").item()
        assert own == pytest.approx(
            expected.score.sel(variable=name, metric="crps").item(), rel=1e-5
        )
    assert np.isnan(scores.score.sel(channel="water_budget", metric="crps").item())


def test_the_truths_own_budget_is_closed_and_a_models_is_not(predictions, truth):
    perfect = evaluate(
        truth.drop_vars("state_ps").assign_attrs(model="truth")[list(predictions)], truth
    )
    assert (perfect.score.sel(metric="rmse") == 0).all()
    scores = evaluate(predictions, truth, metrics=["bias", "mae"])
    rain = predictions.cam_out_PRECC - truth.cam_out_PRECC
    planet = column_planet()
    mass = planet.mass(truth.state_ps.values.astype("f8"))
    wetter = (predictions.ptend_q0001 - truth.ptend_q0001).transpose("time", "ncol", "lev")
    residual = LATENT_HEAT * ((wetter.values * mass).sum(-1) + 1000 * rain.values)
    area = (truth.area / truth.area.mean()).values
    found = scores.score.sel(channel="water_budget", metric="bias").item()
    assert found == pytest.approx(float((residual * area).mean()), rel=1e-4)
    assert scores.score.sel(channel="energy_budget", metric="mae").item() > 1


def test_sections_are_r2_of_daily_zonal_means(predictions, truth):
    scores = evaluate(predictions, truth, metrics=["r2"])
    section = scores.section_r2.sel(profile="ptend_t", scenario="climsim_twin", model="noisy")
    assert section.sizes == {"zone": 52, "lev": 60}
    zone = truth.latitude.round(4) == section.zone.values[40]
    planet = column_planet()
    weight = (
        planet.mass(truth.state_ps.values.astype("f8"))[..., 50]
        * (truth.area / truth.area.mean()).values
    )
    pair = [
        one.ptend_t.transpose("time", "ncol", "lev")[..., 50] * weight
        for one in (predictions, truth)
    ]
    days = truth.time.dt.dayofyear
    own, other = (one[:, zone.values].mean("ncol").groupby(days).mean() for one in pair)
    expected = 1 - float(((own - other) ** 2).mean() / ((other - other.mean()) ** 2).mean())
    assert section.isel(zone=40, lev=50).item() == pytest.approx(expected, rel=1e-5)


def test_scores_make_a_leaderboard_a_page_and_a_gate(predictions, truth, tmp_path):
    worse = (2 * predictions - truth[list(predictions)]).assign_attrs(model="worse")
    each = [evaluate(one, truth, metrics=METRICS) for one in (predictions, worse)]
    for number, scores in enumerate(each):
        write_scores(scores, tmp_path / str(number))
    both = combine([read_scores(tmp_path / str(number)) for number in range(2)])
    assert leaderboard(both)
    shown = both.sel(channel=["ptend_q0001", "cam_out_PRECC"], metric=["mae", "r2"])
    page = report(Benchmark("Columns", shown), tmp_path / "page").read_text()
    assert "ptend_q0001" in page and "simulated" in page.lower()
    rules = {"name": "columns", "rules": [{"metric": "mae", "better_than": "reference"}]}
    verdict = gate(both, both, GateRules.parse(rules, "Rules"), "noisy", "worse")
    assert verdict.passed
    assert not gate(both, both, GateRules.parse(rules, "Rules"), "worse", "noisy").passed
    assert json.loads(both.attrs["conventions"])["units"] == "W m-2"


def test_published_tables_stand_beside_scores_of_the_same_data_only(predictions, truth):
    scores = evaluate(predictions, truth, metrics=METRICS)
    assert published_beside(scores, "mae") == []
    data = data_identity(column_store_of(truth), ("0008-02", "0009-01"), None)
    real = scores.assign_coords(scenario=["climsim_scoring"]).assign_attrs(simulated="false")
    own = {**data, "recipe": "climsim_scoring", "simulated": "false"}
    real.attrs["data"] = json.dumps(own)
    rows = {row.model: row.scores for row in published_beside(real, "mae")}
    assert rows["MLP (published)"]["cam_out_PRECC"] == {"climsim_scoring": 34.33}
    assert len(rows) == 6
    assert "cam_out_PRECSC" not in published_beside(real, "r2")[0].scores  # printed as "--"
    table = scorecard(real, headline_of(real), "mae")
    assert "MLP (published)" in [row.model for row in table.rows]
    real.attrs["data"] = json.dumps(own | {"recipe": "climsim"})
    assert published_beside(real, "mae") == []


def column_store_of(truth):
    return truth.rename(ncol="column", lev="level")


def test_times_meet_by_date_in_any_order(predictions, truth):
    expected = evaluate(predictions.isel(time=[1, 2]), truth.isel(time=[1, 2]))
    found = evaluate(predictions.isel(time=[1, 2]).drop_vars("scenario"), truth)
    np.testing.assert_array_equal(found.score, expected.score)


def test_what_only_the_prediction_lacks_is_refused_or_left_out(predictions, truth):
    holes = predictions.copy(deep=True)
    holes.cam_out_PRECC[0, :3] = np.nan
    with pytest.raises(UserError, match="3 values of 'cam_out_PRECC' are missing where the truth"):
        evaluate(holes, truth)
    scores = evaluate(holes, truth, nan="skip")
    assert scores.missing.sel(channel="cam_out_PRECC").item() == 3
    kept = evaluate(predictions, truth).score.sel(channel="ptend_t")
    np.testing.assert_array_equal(scores.score.sel(channel="ptend_t"), kept)


def in_other_units(data):
    return data.assign(ptend_t=data.ptend_t.assign_attrs(units="K day-1"))


def test_anybodys_columns_are_scored_by_the_command_of_the_page(
    predictions, truth, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    predictions.to_netcdf("MINE.nc")
    truth.to_netcdf("STORE.nc")
    words = ["predictions=MINE.nc", "truth=STORE.nc", "evaluation=column_physics"]
    assert main(["evaluate", *words]) == 0
    assert "Scores of MINE" in capsys.readouterr().out
    scores = evaluate(predictions, truth, metrics=METRICS)
    np.testing.assert_array_equal(read_scores(tmp_path / "scores").score, scores.score)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda d: d.isel(lev=slice(30)),
            "has 30 levels and truth 60: they are of different grids",
        ),
        (lambda d: d.isel(ncol=slice(9)), "has 9 columns and truth 384: they are of different"),
        (lambda d: d.rename(ptend_t="ptend_T"), "'ptend_T' is not an output of ClimSim: .*ptend_t"),
        (lambda d: in_other_units(d), "'ptend_t' is in K day-1, in the truth in K s-1: convert it"),
        (lambda d: d[[]].assign(ncol=("ncol", range(384))), "predictions has no output of ClimSim"),
    ],
)
def test_columns_that_do_not_fit_are_one_sentence(predictions, truth, change, sentence):
    with pytest.raises(UserError, match=sentence):
        evaluate(change(predictions).assign_coords(time=truth.time), truth)


def test_metrics_of_maps_are_none_of_columns(predictions, truth):
    with pytest.raises(UserError, match="columns have no metric 'acc'"):
        evaluate(predictions, truth, metrics=["acc"])
    with pytest.raises(UserError, match="'crps' of columns needs predictions with two members"):
        evaluate(predictions, truth, metrics=["crps"])


@pytest.mark.parametrize(
    "option", [{"regions": ["tropics"]}, {"period": ["0001", "0002"]}, {"weighting": "cos"}]
)
def test_options_of_maps_are_refused_rather_than_not_heeded(predictions, truth, option):
    with pytest.raises(UserError, match=f"'{next(iter(option))}' is for maps and stations, not"):
        evaluate(predictions, truth, **option)


def test_a_truth_without_its_grid_is_refused(predictions, truth):
    with pytest.raises(UserError, match="truth has no 'area', by which columns are weighted"):
        evaluate(predictions, truth.drop_vars("area"))
