"""What the scripts of a page are told."""

import json

import numpy as np
import pytest
import xarray as xr

from climbench.plot.ranking import headline_of
from climbench.report.payload import curves_payload, scores_payload


def with_curve(scores, name, along, x, values, **attributes):
    """Scores with a curve: ``values`` along ``x``, the same for all models, channels and leads."""
    like = scores["score"].isel(metric=0, drop=True).fillna(0) * 0
    curve = xr.DataArray(values, {along: x}, along) + like
    attributes = {"unit_power": 0, "orientation": "none"} | attributes
    return scores.assign({name: curve.assign_attrs(attributes)})


def test_flat_lists_are_in_the_order_that_the_scripts_read(forecasting):
    scores = forecasting(leads=[24.0, 72.0], regions=("global", "tropics"))
    payload = scores_payload(scores, headline_of(scores), None)
    names = [model["name"] for model in payload["models"]]
    sizes = [len(payload[key]) for key in ("metrics", "channels", "regions", "places", "models")]
    table = np.array(payload["score"], dtype=float).reshape(sizes)
    where = {"metric": "acc", "channel": "2m_temperature", "region": "tropics", "lead_time": 72.0}
    for place, name in enumerate(names):
        expected = float(scores["score"].sel(where | {"model": name}))
        np.testing.assert_allclose(table[2, 2, 1, 1, place], expected, rtol=1e-4)
    assert json.dumps(payload, allow_nan=False)
    assert payload["marks"] == {}
    assert set(payload["samples"]) == {"1460"}


def test_marks_of_a_test_are_put_beside_the_scores(forecasting):
    scores = forecasting(leads=[24.0, 72.0])
    marks = xr.full_like(scores["score"], "not significant", dtype=object)
    marks = marks.drop_sel(model="persistence").sel(lead_time=[24.0])
    marks.loc[{"model": "vit", "metric": "rmse"}] = "better"
    comparison = marks.to_dataset(name="mark").expand_dims(reference=["persistence"])
    payload = scores_payload(scores, headline_of(scores), comparison)
    found = np.array([*payload["marks"]["persistence"]]).reshape(3, 4, 1, 2, 5)
    names = [model["name"] for model in payload["models"]]
    assert (found[0, :, 0, 0, names.index("vit")] == "1").all()
    assert (found[1, :, 0, 0, names.index("vit")] == "0").all()
    assert (found[:, :, :, 1] == ".").all()  # nothing tested
    assert (found[..., names.index("persistence")] == ".").all()


@pytest.mark.parametrize(
    ("name", "along", "ideal"),
    [
        ("rank_histogram", "rank", [0.25, 0.25, 0.25, 0.25]),
        ("reliability(threshold=5)", "probability", [0.0, 1.0, 2.0, 3.0]),
        ("economic_value(threshold=5)", "cost_loss", None),
    ],
)
def test_a_perfect_forecast_stands_beside_a_curve(forecasting, name, along, ideal):
    scores = forecasting(models=("vit",), leads=[24.0]).isel(channel=[0])
    scores = with_curve(scores, name, along, [0.0, 1.0, 2.0, 3.0], [0.1, 0.2, 0.3, 0.4])
    (curve,) = curves_payload(scores, headline_of(scores))
    assert curve["ideal"] == ideal
    assert curve["values"] == [0.1, 0.2, 0.3, 0.4] and not curve["logarithmic"]


@pytest.mark.parametrize(
    ("name", "event"),
    [
        ("reliability(threshold=5)", "above 5 m² s⁻²"),
        ("reliability(above=false,threshold=5)", "below 5 m² s⁻²"),
        ("reliability(quantile=0.9)", "above the 0.9 quantile of the climatology"),
        ("reliability", ""),  # of a user's own scores
    ],
)
def test_a_reliability_names_its_event(forecasting, name, event):
    scores = forecasting(models=("vit",), leads=[24.0]).isel(channel=[0])
    scores = with_curve(scores, name, "probability", [0.0, 1.0], [0.1, 0.9])
    (curve,) = curves_payload(scores, headline_of(scores))
    assert curve["events"] == [event]
    assert (curve["along"], curve["across"]) == ("forecast probability", "observed frequency")


def test_the_truth_s_spectrum_stands_beside_the_forecasts(forecasting):
    scores = forecasting(models=("vit", "resnet"), leads=[24.0]).isel(channel=[0])
    own = {"unit_power": 2, "unit": "({units})**2 m"}
    for name, values in (("zonal_spectrum", [4.0, 2.0]), ("zonal_spectrum(of=truth)", [5.0, 3.0])):
        scores = with_curve(scores, name, "zonal_wavenumber", [1, 2], values, **own)
    (curve,) = curves_payload(scores, headline_of(scores))
    assert curve["logarithmic"] and curve["ideal"] == [5.0, 3.0]
    assert curve["units"] == ["(m² s⁻²)² m"]
