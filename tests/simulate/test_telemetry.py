"""The simulated spacecraft: what drives what, what was injected where, and that it stays."""

import numpy as np
import pandas as pd
import pytest

from climbench.simulate.telemetry import BODIES, CAUSES, simulate_telemetry

TIMES = pd.date_range("2024-02-15", periods=3000, freq="10min")


@pytest.fixture(scope="module")
def record():
    return simulate_telemetry(TIMES)


def series(record, beginning):
    return [str(name) for name in record if str(name).startswith(beginning)]


def test_there_are_eleven_temperatures_and_thirty_five_covariates(record):
    assert len(series(record, "temperature")) == len(series(record, "label")) == BODIES
    assert len(record) - 2 * BODIES == 35
    assert set(CAUSES) <= set(record)
    assert record["bus_voltage"].attrs["units"] == "V"


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(record):
    assert record.identical(simulate_telemetry(TIMES))
    other = simulate_telemetry(TIMES, seed=1)
    assert not record["temperature_01"].equals(other["temperature_01"])


def test_records_are_lost_together_for_an_hour_to_half_a_day(record):
    lost = record["temperature_01"].isnull().values
    assert 0 < lost.sum() < 0.1 * lost.size
    assert all((record[n].isnull() == lost).all() for n in record if not n.startswith("label"))


def test_an_event_is_where_its_label_is_and_nowhere_else(record):
    """The same without events: the difference is what was injected, to the sensor's noise."""
    calm = simulate_telemetry(TIMES, events=0)
    assert all((calm[name].fillna(0) == 0).all() for name in series(calm, "label"))
    meanings = record["label_temperature_01"].attrs["flag_meanings"].split()
    for name in series(record, "temperature"):
        label = record[f"label_{name}"].fillna(0).values.astype(int)
        apart = np.abs(np.nan_to_num(record[name] - calm[name]))
        assert apart[label == 0].max() < 0.2
        for cause in set(label) - {0}:
            assert apart[label == cause].max() > 0.5
            moved = record[meanings[cause]] - calm[meanings[cause]]
            usual = float(calm[meanings[cause]].std())
            assert np.nanmin(np.abs(moved.values[label == cause])) > 3 * usual


def test_half_of_the_events_lie_in_the_last_fifth(record):
    def begun(labels):
        return int(((labels.values[1:] > 0) & (labels.values[:-1] == 0)).sum())

    names = series(record, "label")
    late = sum(begun(record[name].fillna(0)[2400:]) for name in names)
    early = sum(begun(record[name].fillna(0)[:2400]) for name in names)
    assert late == pytest.approx(2 * BODIES, abs=3)  # one in a gap is not recorded
    assert early == pytest.approx(2 * BODIES, abs=3)


def test_bodies_are_slower_from_the_first_to_the_last(record):
    def memory(name):
        values = record[name].where(record[f"label_{name}"] == 0).to_series()
        return values.diff(6).std() / values.std()

    assert memory("temperature_01") > 1.5 * memory("temperature_11")
