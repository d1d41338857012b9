"""Combining, writing and reading scores."""

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from climbench.errors import UserError
from climbench.evaluation import combine, evaluate, read_scores, score_table, write_scores


@pytest.fixture
def two_models(truth, climatology, persistence):
    calm = persistence(truth, truth.time[:40:2], [6, 24, 72])
    rough = persistence(truth, truth.time[4:40:2], [24, 48], error=0.5)
    rough = rough[["2m_temperature"]].assign_attrs(model="rough", simulated="false")
    options = {"metrics": ["rmse", "acc"], "climatology": climatology, "bootstrap": 100}
    return evaluate(calm, truth, **options), evaluate(rough, truth, **options)


def test_combine_unites_labels(two_models):
    both = combine(two_models)
    assert both.model.to_numpy().tolist() == ["persistence", "rough"]
    assert both.lead_time.to_numpy().tolist() == [6, 24, 48, 72]
    assert both.lead_time.attrs["units"] == "hours"
    assert both.units.sel(channel="geopotential_850") == "m2 s-2"
    assert both.orientation.to_numpy().tolist() == ["lower", "higher"]
    assert both.sizes["sample"] == 20
    for scores in two_models:
        name = scores.model.item()
        part = both.sel(model=[name], channel=scores.channel, lead_time=scores.lead_time)
        np.testing.assert_array_equal(part.score, scores.score)
        np.testing.assert_array_equal(part.sel(sample=scores.sample).per_sample, scores.per_sample)
    missing = both.score.sel(model="rough", channel="geopotential_500")
    assert np.all(np.isnan(missing))
    hashes = json.loads(both.attrs["predictions_hash"])
    assert set(hashes) == {"persistence", "rough"}
    assert both.attrs["simulated"] == "true"


def test_combine_refuses_what_cannot_be_compared(two_models, truth, forecasts, runs):
    first, second = two_models
    with pytest.raises(UserError, match="'persistence' is there more than once"):
        combine([first, first])
    cosine = evaluate(forecasts, truth, weighting="cos", model="other")
    with pytest.raises(UserError, match="'weights' is area in one, cos in the other"):
        combine([first, cosine])
    with pytest.raises(UserError, match="'task' is forecasting in one, emulation in the other"):
        combine([second, evaluate(*runs)])
    with pytest.raises(UserError, match="no scores"):
        combine([])


def test_equal_scores_give_equal_bytes(two_models, tmp_path):
    both = combine(two_models)
    first = [path.read_bytes() for path in write_scores(both, tmp_path / "first")]
    second = [path.read_bytes() for path in write_scores(both, tmp_path / "second")]
    assert first == second
    read = read_scores(tmp_path / "first" / "scores.nc")
    again = [path.read_bytes() for path in write_scores(read, tmp_path / "again")]
    assert first == again
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("calendar", ["standard", "noleap"])
def test_what_is_read_is_what_was_written(forecasts, truth, tmp_path, calendar):
    if calendar == "noleap":
        times = xr.date_range("2020", periods=60, freq="6h", calendar=calendar, use_cftime=True)
        forecasts = forecasts.assign_coords(time=times[:40:2])
        truth = truth.assign_coords(time=times)
    scores = evaluate(forecasts, truth, bootstrap=100)
    netcdf, _ = write_scores(scores, tmp_path)
    xr.testing.assert_equal(read_scores(netcdf), scores)
    with xr.open_dataset(netcdf) as anybodys:
        assert anybodys.score.dims == scores.score.dims


def test_table_is_tidy(two_models, tmp_path):
    _, path = write_scores(combine(two_models), tmp_path)
    table = pd.read_csv(path)
    names = "model metric variable level lead_time region score lower upper count units"
    assert list(table.columns) == names.split()
    assert len(table) == 2 * (3 * 3 + 2)
    row = table.query("model == 'rough' and metric == 'acc' and lead_time == 48").iloc[0]
    assert (row["units"], row["variable"], row["count"]) == ("1", "2m_temperature", 18)
    assert np.isnan(row["level"])
    own = two_models[1].score.sel(metric="acc", lead_time=48).item()
    assert row["score"] == pytest.approx(own, rel=1e-14)


def test_table_of_scenarios(runs):
    table = score_table(evaluate(*runs, metrics=["rmse", "mse"]))
    assert table["scenario"].tolist() == ["historical", "ssp126"] * 2
    assert table["units"].tolist() == ["K", "K", "K^2", "K^2"]


def test_files_that_hold_no_scores(tmp_path, truth):
    with pytest.raises(UserError, match="does not exist"):
        read_scores(tmp_path / "absent.nc")
    (tmp_path / "text.nc").write_text("no")
    with pytest.raises(UserError, match="cannot be read as netCDF"):
        read_scores(tmp_path / "text.nc")
    truth.to_netcdf(tmp_path / "truth.nc")
    nobody = xr.Dataset({"score": ("model", [])}, {"model": np.array([], dtype=str)})
    nobody.to_netcdf(tmp_path / "nobody.nc")
    with pytest.raises(UserError, match=r"nobody\.nc holds no scores"):
        read_scores(tmp_path / "nobody.nc")
    with pytest.raises(UserError, match="holds no scores"):
        read_scores(tmp_path / "truth.nc")


def test_all_pairs_are_checked_and_what_is_known_is_kept(two_models):
    def with_climatology(name, identity, **changes):
        record = json.loads(two_models[0].attrs["conventions"]) | {"climatology": identity}
        scores = two_models[0].assign_coords(model=[name])
        return scores.assign_attrs(conventions=json.dumps(record | changes))

    none, one, other = (with_climatology(name, name.strip("-")) for name in ("-", "x", "y"))
    with pytest.raises(UserError, match="'x' and 'y' cannot be compared: 'climatology'"):
        combine([none, one, other])
    assert json.loads(combine([none, one]).attrs["conventions"])["climatology"] == "x"
    rooted = with_climatology("z", "x", root="before")  # the labels of metrics say it too
    assert json.loads(combine([one, rooted]).attrs["conventions"])["root"] == ""


def test_scores_against_other_truths_are_not_combined(two_models):
    hashes = [json.dumps({data.model.item(): str(n)}) for n, data in enumerate(two_models)]
    others = [d.assign_attrs(truth_hash=h) for d, h in zip(two_models, hashes, strict=True)]
    with pytest.raises(UserError, match="against different truths"):
        combine(others)


def test_a_folder_stands_for_the_scores_in_it(two_models, tmp_path):
    path, _ = write_scores(two_models[0], tmp_path)
    assert read_scores(tmp_path).identical(read_scores(path))


def test_the_folder_of_a_run_is_told_where_its_scores_are(runs, tmp_path):
    write_scores(evaluate(*runs, metrics=["rmse"]), tmp_path / "report-1")
    with pytest.raises(UserError, match=r"does not exist: a run's are .*report-1.scores\.nc\.$"):
        read_scores(tmp_path)
