"""What `climbench evaluate` prints: readable in 80 columns, and nothing left out in silence."""

import json

import numpy as np
import pytest
import xarray as xr
from rich.console import Console

from climbench.report import listing
from climbench.report.listing import missing_truth

METRICS = {"rmse": ("lower", 1), "acc": ("higher", 0)}


def scores_of(score, channels=("2m_temperature",), leads=(24.0, 72.0), metrics=METRICS, **arrays):
    """Scores of one model, one region: ``[metric, channel, lead]``, perhaps with bounds."""
    dims = ("model", "metric", "channel", "region", "lead_time")
    shape = (1, len(metrics), len(channels), 1, len(leads))
    arrays = {"score": score, **arrays}
    orientations, powers = zip(*metrics.values(), strict=True)
    return xr.Dataset(
        {
            k: (dims, np.broadcast_to(v, shape[1:3] + shape[4:]).reshape(shape))
            for k, v in arrays.items()
        },
        {
            "model": ["mine [v2]"],
            "metric": list(metrics),
            "orientation": ("metric", list(orientations)),
            "unit_power": ("metric", list(powers)),
            "unit": ("metric", [""] * len(metrics)),
            "channel": list(channels),
            "units": ("channel", ["K"] * len(channels)),
            "region": ["global"],
            "lead_time": list(leads),
        },
    )


def printed(scores, width=80):
    console = Console(width=width)
    with console.capture() as capture:
        console.print(listing(scores, width))
    return capture.get().splitlines()


def rows(lines, *names):
    return [line.split() for line in lines if line.strip().startswith(names)]


def test_all_scores_of_a_model_are_listed_with_their_units():
    scores = scores_of([[[1.25, 2.5]], [[0.9, np.nan]]]).assign_attrs(simulated="true")
    scores["rank_histogram"] = ("rank", [1.0], {"unit_power": 0})
    lines = printed(scores)
    assert lines[0].split() == ["SIMULATED", "DATA", "Scores", "of", "mine", "[v2]"]
    assert rows(lines, "rmse", "acc") == [["rmse", "1.25", "2.5", "K"], ["acc", "0.9", "–"]]
    assert lines[-1] == "curves in the file: rank_histogram"


def test_bounds_stand_beside_the_scores_with_two_digits_of_their_distance():
    score = np.array([[[512.34, 7.0]], [[0.9, 0.8]]])
    lines = printed(scores_of(score, lower=score - [9.3, 0.1], upper=score + np.array([8, 0.123])))
    assert "rmse            512.3 ± 9.3  7.00 ± 0.12  K   " in lines
    assert "±: the farther bound of the 95 % interval; the file has both" in lines


def test_as_many_leads_as_fit_are_shown_and_the_others_named():
    score = np.full((2, 1, 6), 54321.0)
    leads = (6.0, 24.0, 48.0, 72.0, 120.0, 240.0)
    wide = scores_of(score, leads=leads, lower=score - 1234, upper=score + 1234)
    lines = printed(wide, 120)
    assert rows(lines, "2m_temperature")[0][1:-1] == ["24", "h", "72", "h", "120", "h"]
    lines = printed(wide, 45)
    assert rows(lines, "2m_temperature")[0][1:-1] == ["24", "h"]
    assert all(len(line) <= 45 for line in lines if "54321" in line)
    assert "5 more leads are in scores.nc: 6 h, 48 h, 72 h," in " ".join(" ".join(lines).split())


def test_infinities_are_printed():
    assert rows(printed(scores_of([[[np.inf, 1.0]], [[-np.inf, np.nan]]])), "rmse", "acc") == [
        ["rmse", "inf", "1", "K"],
        ["acc", "-inf", "–"],
    ]


@pytest.mark.parametrize(
    ("count", "reason"), [(0, "no valid pair"), (9, "not defined for these values")]
)
def test_a_metric_without_any_value_is_named_with_the_reason(count, reason):
    scores = scores_of([[[1.0, 2.0]], [[np.nan, np.nan]]], count=count)
    (line,) = [line for line in printed(scores) if line.startswith("no value of acc: ")]
    assert reason in line


def test_a_channel_without_any_pair_has_a_row_of_dashes():
    score = np.array([[[1.0, 2.0], [np.nan, np.nan]], [[0.5, 0.5], [np.nan, np.nan]]])
    scores = scores_of(score, ("z", "t"), count=np.array([[9, 9], [0, 0]]))
    scores["count"] = scores["count"].isel(metric=0, drop=True)
    assert rows(printed(scores), "rmse") == [["rmse", "1", "2", "K"], ["rmse", "–", "–", "K"]]


def test_vectors_are_shown_however_many_channels_stand_before_them():
    channels = (*(f"c{n}" for n in range(9)), "wind_vector_500")
    metrics = {"rmse": ("lower", 1), "wind_vector_rmse": ("lower", 1)}
    score = np.full((2, 10, 2), np.nan)
    score[0, :9], score[1, 9] = 1.0, 2.0
    lines = printed(scores_of(score, channels, metrics=metrics))
    assert rows(lines, "wind_vector_rmse") == [["wind_vector_rmse", "2", "2", "K"]]
    assert len(rows(lines, "rmse")) == 5  # and none for the vector, of which there is no rmse
    assert "4 more channels are in scores.nc" in lines


def test_the_noise_floor_of_scenarios_has_a_row():
    score = [[[3.0, 4.0]], [[0.9, 0.9]]]
    scores = scores_of(score, noise_floor=[[[0.5, np.inf]], [[np.nan, np.nan]]])
    scores = scores.rename(lead_time="scenario").assign_coords(scenario=["ssp126", "ssp245"])
    lines = printed(scores)
    assert rows(lines, "noise floor") == [["noise", "floor", "0.5", "inf", "K"]]
    assert "ssp126" in lines[1] and "ssp245" in lines[1]


def test_bins_are_pointed_at():
    scores = scores_of([[[1.0, 2.0]], [[0.9, 0.9]]])
    scores["score_by_season"] = scores["score"].expand_dims(season=["DJF", "JJA"])
    assert printed(scores)[-1] == "by season (DJF, JJA): 'score_by_season' in scores.nc"


def test_samples_without_truth_are_told_with_first_and_last():
    scores = scores_of([[[1.0, 2.0]], [[0.9, 0.9]]], count=5).assign_coords(sample=np.arange(9))
    lost = {"number": 3, "first": "2020-01-21T00:00:00.000000000", "last": "2020-01-25T12:00:00"}
    scores.attrs["samples_without_truth"] = json.dumps({"mine [v2]": lost})
    assert missing_truth(scores) == [
        "3 of 9 samples have no truth at all: from 2020-01-21T00:00 to 2020-01-25T12:00",
        "at some lead or scenario only 5 of 9 samples count: forecast, truth or climatology "
        "lacks the others",
    ]
    scores.attrs["samples_without_truth"] = json.dumps({"mine [v2]": {"number": 0}})
    assert missing_truth(scores.assign(count=scores["count"] + 4)) == []
