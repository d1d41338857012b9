"""Features of series: against pandas, with gaps, and nothing of the future among them."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from climbench.errors import UserError
from climbench.models.feature_regression import FeatureRegression
from climbench.models.rolling_mean import RollingMean, SeasonalNaive
from climbench.models.series_features import SeriesFeatures, last_values
from climbench.testing.model_contract import STATIONS, random_sample

LONG = replace(STATIONS, history=12, forcings=())
WINDOWS, LAGS = (3, 8), (1, 4)


def sample_with_gaps():
    sample = random_sample(LONG, 6)
    holes = torch.rand(sample.inputs.shape, generator=torch.Generator().manual_seed(0)) < 0.1
    return sample._replace(inputs=sample.inputs.masked_fill(holes, torch.nan))


def test_features_by_pandas():
    sample, seen = sample_with_gaps(), SeriesFeatures(LONG, WINDOWS, LAGS)
    found = seen(sample)[2, 3]
    series = pd.DataFrame(sample.inputs[2, :, :, 0, 3].numpy(), columns=LONG.inputs)
    expected = {}
    for name, one in series.items():
        expected |= {f"{name}:last": one.iloc[-1], f"{name}:change_4": one.diff(4).iloc[-1]}
        for window in WINDOWS:
            rolling = one.rolling(window, min_periods=1)
            expected[f"{name}:mean_{window}"] = rolling.mean().iloc[-1]
            expected[f"{name}:std_{window}"] = one.iloc[-window:].std(ddof=0)
            expected[f"{name}:min_{window}"] = rolling.min().iloc[-1]
            expected[f"{name}:max_{window}"] = rolling.max().iloc[-1]
        expected |= {f"{name}:lag_{lag}": one.shift(lag).iloc[-1] for lag in LAGS}
        expected[f"{name}:difference"] = one.diff().iloc[-1]
    phase = (float(sample.hour[2, 0]) / 24 + LONG.longitude[3] / 360) % 1
    expected |= {"time:phase": phase, "time:cos2": np.cos(4 * np.pi * phase)}
    compared = [name for name in seen.names if name in expected]
    assert len(compared) == len(LONG.inputs) * 4 + 2 * (2 + 1 + 6) + 2
    np.testing.assert_allclose(
        [found[seen.names.index(name)] for name in compared],
        [expected[name] for name in compared],
        rtol=1e-5,
        atol=1e-6,
    )


def test_every_feature_has_a_name():
    seen = SeriesFeatures(STATIONS, (2, 3), (1, 2))
    sample = random_sample(STATIONS, 2)
    assert seen(sample).shape == (2, 5, len(seen.names))
    assert len(set(seen.names)) == len(seen.names)


@pytest.mark.parametrize(
    ("windows", "lags", "sentence"),
    [
        ((13,), (1,), "'windows' reaches back 13 steps and the task's history has 12"),
        ((3,), (12,), "'lags' reaches back 12 steps.*'task.history' to 13"),
        ((3, 3), (1,), "'windows' = .* ascending"),
        ((3,), (0,), "'lags' = .* from 1 on"),
    ],
)
def test_windows_that_do_not_fit(windows, lags, sentence):
    with pytest.raises(UserError, match=sentence):
        SeriesFeatures(LONG, windows, lags)


def test_ridge_of_the_features_by_numpy():
    model = FeatureRegression(LONG, WINDOWS, LAGS, ridge=(1e-2,))
    sample = sample_with_gaps()
    model.accumulate(sample)
    model.solve()
    rows = SeriesFeatures(LONG, WINDOWS, LAGS)(sample).flatten(0, 1).nan_to_num(0.0).double()
    x = np.concatenate([rows.numpy(), np.ones((len(rows), 1))], axis=1)
    last = last_values(LONG, sample)[:, 0, 0, 0].flatten().double().numpy()
    y = sample.targets[:, 1, 0, 0].flatten().double().numpy() - last
    penalty = 1e-2 * np.diag([1.0] * (x.shape[1] - 1) + [0.0])
    fit = np.linalg.solve(x.T @ x / len(x) + penalty, x.T @ y / len(x))
    found = model.eval()(sample)[:, 1, 0, 0].flatten()
    np.testing.assert_allclose(found, last + x @ fit, rtol=1e-3, atol=1e-4)


def test_a_rolling_mean_leaves_out_what_is_missing():
    sample = random_sample(LONG, 2)
    sample.inputs[0, -1, 0, 0, 0] = torch.nan
    answer = RollingMean(LONG, window=3)(sample)
    torch.testing.assert_close(answer[0, 1, 0, 0, 0], sample.inputs[0, -3:-1, 0, 0, 0].mean())
    torch.testing.assert_close(answer[1, 0, 1, 0, 2], sample.inputs[1, -3:, 1, 0, 2].mean())


def test_seasonal_naive_is_the_value_a_cycle_before():
    """Steps of 3 h, a cycle of 24 h in 8 steps; leads of 6 h, and of 30 h: two cycles back."""
    sample = random_sample(LONG, 2)._replace(lead_time=torch.tensor([[6.0, 30.0]] * 2))
    sample.inputs[1, 11 - 6, 0, 0, 0] = torch.nan
    answer = SeasonalNaive(LONG, period=8, hours=24)(sample)
    torch.testing.assert_close(answer[0, 0, 0], sample.inputs[0, 11 - 6, 0])
    torch.testing.assert_close(answer[0, 1, 0], sample.inputs[0, 11 - 6, 0])
    assert answer[1, 0, 0, 0, 0] == sample.inputs[1, -1, 0, 0, 0]


@pytest.mark.parametrize("build", [lambda s: RollingMean(s, 13), lambda s: SeasonalNaive(s, 13)])
def test_a_history_that_is_too_short_is_said(build):
    with pytest.raises(UserError, match=r"history, 12: lengthen 'task\.history'"):
        build(LONG)
