"""The time-mean and the weekly climatology, against numpy and the calendar."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
import torch

from climbench.models.mean_climatology import MeanClimatology, WeeklyClimatology, iso_week
from climbench.testing.model_contract import GLOBAL, random_sample

QUESTION = replace(GLOBAL, leads=1)


def test_weeks_are_those_of_the_calendar():
    days = [date(1979, 1, 1) + timedelta(days=day) for day in range(365 * 45)]
    week = iso_week(
        torch.tensor([day.year for day in days]),
        torch.tensor([day.timetuple().tm_yday for day in days]),
    )
    np.testing.assert_array_equal(week, [day.isocalendar().week for day in days])


@pytest.mark.parametrize("model", [MeanClimatology, WeeklyClimatology])
def test_each_slot_is_answered_with_its_own_mean(model):
    fitted, samples = model(QUESTION), [random_sample(QUESTION, 30, seed) for seed in range(3)]
    samples[0].targets[0, 0, 0, 2, 3] = np.nan  # one value that nobody measured
    for sample in samples:
        fitted.accumulate(sample)
    fitted.solve()
    targets = np.concatenate([sample.targets[:, 0].numpy() for sample in samples])
    slots = np.concatenate([fitted.slot(sample)[:, 0].numpy() for sample in samples])
    answer = fitted(samples[0])[:, 0].numpy()
    for row, slot in enumerate(slots[:30]):
        own = targets[slots == slot]
        known = np.isfinite(own).any(axis=0)
        np.testing.assert_allclose(
            answer[row][known], np.nanmean(own[:, known], axis=0), rtol=1e-4, atol=1e-6
        )
    assert np.isfinite(answer).all()


def test_a_week_without_training_is_answered_with_the_mean_of_all():
    fitted, sample = WeeklyClimatology(QUESTION), random_sample(QUESTION, 20)
    june = sample._replace(day_of_year=torch.full_like(sample.day_of_year, 170))
    fitted.accumulate(june)
    fitted.solve()
    december = sample._replace(day_of_year=torch.full_like(sample.day_of_year, 350))
    expected = june.targets.mean(0).expand_as(december.targets)
    torch.testing.assert_close(fitted(december), expected, rtol=1e-4, atol=1e-5)
