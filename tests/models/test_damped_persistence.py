"""Damped persistence and its climatology, against anomalies taken by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from climbench.errors import UserError
from climbench.models.damped_persistence import DampedPersistence, HarmonicClimatology
from climbench.models.ridge import take
from climbench.testing.model_contract import GLOBAL, STATIONS, random_sample

QUESTION = replace(GLOBAL, leads=1, history=1, forcings=(), static=())
TURN = 2 * np.pi / 365.25


def red_noise(days: int, hours=(0.0,), lead: float = 24.0):
    """Return samples of a seasonal cycle with red noise, all initial times in one batch."""
    generator = np.random.default_rng(0)
    rows, columns = QUESTION.shape
    memory = np.linspace(0.2, 0.9, rows * columns).reshape(rows, columns)
    steps = days * len(hours)
    day = np.repeat(np.arange(days), len(hours))
    hour = np.tile(hours, days)
    season = 3 * np.cos(TURN * day) + np.sin(2 * TURN * day) + 0.5 * (hour == 12)
    noise = np.zeros((steps, 3, rows, columns))
    for step in range(1, steps):
        noise[step] = memory * noise[step - 1] + generator.normal(size=noise.shape[1:])
    fields = torch.from_numpy(season[:, None, None, None] + noise).float()
    valid = torch.from_numpy(day[1:] % 365 + 1)[:, None]
    base = random_sample(QUESTION, steps - 1)
    sample = base._replace(
        inputs=fields[:-1, None],
        targets=fields[1:, None, :2],
        lead_time=torch.full((steps - 1, 1), lead),
        day_of_year=valid,
        days_in_year=torch.full_like(valid, 365),
        hour=torch.from_numpy(hour[1:])[:, None].float(),
        year=torch.full_like(valid, 2001),
        index=torch.arange(steps - 1),
    )
    return sample, fields.double().numpy(), day


def fitted(model, sample, parts=3):
    for part in torch.tensor_split(torch.arange(len(sample.targets)), parts):
        model.accumulate(take(sample, part))
    model.solve()
    return model


def test_coefficients_are_those_of_anomalies_from_the_harmonics():
    sample, fields, day = red_noise(365)  # one year: the day of the year is the time
    answer = fitted(DampedPersistence(QUESTION), sample)(sample)[:, 0].double().numpy()
    turns = [k * TURN * (day[1:] % 365) for k in range(1, 5)]
    season = np.stack([np.ones(day.size - 1), *(f(t) for t in turns for f in (np.cos, np.sin))], 1)
    last = fields[:-1, [QUESTION.inputs.index(name) for name in QUESTION.targets]]
    target = fields[1:, :2]
    for at in np.ndindex(2, 3, 3):
        x, y = last[(slice(None), *at)], target[(slice(None), *at)]
        x_fit, y_fit = (season @ np.linalg.lstsq(season, values)[0] for values in (x, y))
        damping = np.sum((x - x_fit) * (y - y_fit)) / np.sum((x - x_fit) ** 2)
        expected = y_fit + damping * (x - x_fit)
        np.testing.assert_allclose(answer[(slice(None), *at)], expected, rtol=0, atol=2e-4)


def test_the_hours_of_the_day_have_climatologies_of_their_own_and_one_damping():
    sample, _, _ = red_noise(100, hours=(0.0, 12.0), lead=12.0)
    model = fitted(DampedPersistence(QUESTION), sample)
    assert model.keys.tolist() == [12 * 24.0, 12 * 24.0 + 12.0]
    torch.testing.assert_close(model.damping[0], model.damping[1])
    noon, midnight = (model.at(model.target_fit, sample)[at::2].mean() for at in (0, 1))
    assert float(noon - midnight) == pytest.approx(0.5, abs=0.05)


def test_harmonic_climatology_follows_the_season_and_takes_the_nearest_hour():
    sample, _, day = red_noise(365)
    model = fitted(HarmonicClimatology(QUESTION), sample)
    answer = model(sample).mean(dim=(1, 2, 3, 4)).numpy()
    expected = 3 * np.cos(TURN * day[1:]) + np.sin(2 * TURN * day[1:])
    assert np.sqrt(np.mean((answer - expected) ** 2)) < 0.2
    later = sample._replace(hour=sample.hour + 5)
    torch.testing.assert_close(model(later), model(sample))


def test_without_any_anomaly_the_answer_is_the_climatology():
    sample, _, _ = red_noise(365)
    still = sample._replace(
        inputs=torch.ones_like(sample.inputs), targets=torch.ones_like(sample.targets)
    )
    answer = fitted(DampedPersistence(QUESTION), still)(still)
    torch.testing.assert_close(answer, still.targets, rtol=0, atol=1e-5)


def test_an_unknown_lead_time_and_an_absent_input_are_refused():
    sample, _, _ = red_noise(30)
    model = fitted(DampedPersistence(QUESTION), sample)
    with pytest.raises(UserError, match="lead time of 48 h, only at 24 h"):
        model(sample._replace(lead_time=sample.lead_time * 2))
    with pytest.raises(UserError, match="'geopotential_500' among the task's inputs"):
        DampedPersistence(replace(QUESTION, inputs=("temperature_850",)))


def test_at_stations_a_missing_value_counts_nowhere():
    """Against ordinary least squares over the pairs of one station that are there."""
    sample, _, _ = red_noise(365)
    drawn = torch.Generator().manual_seed(1)
    gaps = sample._replace(
        inputs=sample.inputs[..., :1, :5].clone(), targets=sample.targets[..., :1, :5].clone()
    )
    for fields in (gaps.inputs, gaps.targets):
        fields[torch.rand(fields.shape, generator=drawn) < 0.2] = torch.nan
    at_stations = replace(
        STATIONS, leads=1, history=1, forcings=(), inputs=QUESTION.inputs, targets=QUESTION.targets
    )
    gaps = gaps._replace(static=gaps.static[..., :1, :5])
    model = fitted(DampedPersistence(at_stations), gaps)
    answer = model(gaps)[:, 0].double().numpy()
    turns = [k * TURN * (gaps.day_of_year[:, 0].numpy() - 1) for k in range(1, 5)]
    season = np.stack([np.ones(364), *(f(t) for t in turns for f in (np.cos, np.sin))], 1)
    for target, station in np.ndindex(2, 5):
        name = QUESTION.inputs.index(QUESTION.targets[target])
        x = gaps.inputs[:, 0, name, 0, station].double().numpy()
        y = gaps.targets[:, 0, target, 0, station].double().numpy()
        both = np.isfinite(x) & np.isfinite(y)
        table = np.column_stack([season, np.nan_to_num(x)])
        fit = np.linalg.lstsq(table[both], y[both], rcond=None)[0]
        shown = np.isfinite(x)
        found = answer[:, target, 0, station]
        np.testing.assert_allclose(found[shown], (table @ fit)[shown], atol=2e-4)
        climate = np.linalg.lstsq(season[both], y[both], rcond=None)[0]
        np.testing.assert_allclose(found[~shown], (season @ climate)[~shown], atol=2e-4)
