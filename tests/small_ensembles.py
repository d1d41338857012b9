"""Small ensembles with everything that is awkward in real ones, and a way to score arrays."""

import numpy as np

from climbench.metrics import Batch, Fields, Layout, Regions, Stack, get_metric, region_weights

LATITUDE = np.array([90.0, 50.0, 10.0, -20.0, -75.0])  # a pole, north first, uneven
LONGITUDE = np.array([0.0, 120.0, 240.0])
CELLS = LATITUDE.size * LONGITUDE.size
LAYOUT = Layout(LATITUDE, LONGITUDE)
REGIONS = Regions(region_weights(LATITUDE, LONGITUDE, ["global", "tropics"]))
WEIGHTS = REGIONS.weights


def ensemble(members=7, samples=6, seed=0, dtype=np.float64):
    """Return members [sample, member, cell] and truth [sample, cell], some of them equal."""
    random = np.random.default_rng(seed)
    centre = 280 + 5 * random.normal(size=(samples, 1, CELLS))
    values = (centre + 2 * random.normal(size=(samples, members, CELLS))).round(1)
    truth = (centre[:, 0] + 2 * random.normal(size=(samples, CELLS))).round(1)
    values[:, :, :2] = truth[:, np.newaxis, :2]  # all members right
    values[0, : members // 2, 3] = truth[0, 3]  # some tie with the truth
    return values.astype(dtype), truth.astype(dtype)


def batch_of(members, truth, companions=None, climatology=None):
    """Return the batch of an ensemble [sample, member, cell], or of one forecast [sample, cell]."""
    single = members.ndim == 2
    forecast = members if single else members.mean(axis=1, dtype=np.float64)
    return Batch(
        forecast, truth, climatology, None if single else members, LAYOUT, companions or {}
    )


def block_of(members, truth, climatology=None):
    """Return samples as a block of one condition and one channel, its rows in another order."""
    samples, size = members.shape[:2]
    order = np.random.default_rng(1).permutation(samples * size)
    rows = np.argsort(order).reshape(samples, 1, 1, size)
    places = np.arange(samples).reshape(samples, 1, 1)
    return Fields(
        Stack(members.reshape(samples * size, -1)[order], rows),
        Stack(truth, places),
        None if climatology is None else Stack(climatology, places),
        LAYOUT,
        REGIONS,
    )


def score(metric, members, truth, companions=None):
    """Return the score over all samples [region], with a last dimension for curves."""
    metric = get_metric(metric)
    batch = batch_of(members, truth, companions)
    means = {s: s.means(batch, REGIONS) for s in metric.statistics}
    weight = REGIONS.weight(batch.valid, (len(truth),))
    return metric.resampled(means, weight, np.ones((1, len(truth))))[0]


def average(values, valid=None):
    """Return the mean of [sample, cell] over the valid cells of all samples [region]."""
    valid = np.ones(values.shape, bool) if valid is None else valid
    kept = np.where(valid, values, 0.0)
    return np.array(
        [
            sum(kept[s, c] * w[c] for s, c in np.ndindex(values.shape))
            / sum(valid[s, c] * w[c] for s, c in np.ndindex(values.shape))
            for w in WEIGHTS.T
        ]
    )
