"""Scores of images against scikit-image, torchmetrics, and numbers by hand."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from climbench.errors import UserError
from climbench.metrics import Batch, Layout, Regions, get_metric, region_weights
from climbench.metrics.images import TruthRange, ergas, spectral_angle, structural_similarity

LATITUDE = np.linspace(40.0, 60.0, 20)
LONGITUDE = np.linspace(0.0, 23.0, 24)
LAYOUT = Layout(LATITUDE, LONGITUDE)
SKIMAGE = {
    "gaussian": {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False},
    "uniform": {},
}


def images(samples=3, seed=0):
    """Forecast and truth [sample, latitude, longitude]."""
    random = np.random.default_rng(seed)
    truth = 280.0 + 10.0 * random.random((samples, LATITUDE.size, LONGITUDE.size))
    return truth + random.normal(size=truth.shape), truth


def score(text, forecast, truth, layout=LAYOUT, weights=None):
    metric = get_metric(text)
    weights = np.ones((layout.size, 1)) if weights is None else weights
    regions = Regions(weights)
    batch = Batch(layout.cells(forecast), layout.cells(truth), None, None, layout)
    means = {s: s.means(batch, regions) for s in metric.statistics}
    weight = regions.weight(batch.valid, (len(truth),))
    return metric.resampled(means, weight, np.ones((1, len(truth))))[0]


@pytest.mark.parametrize("window", ["gaussian", "uniform"])
@pytest.mark.parametrize("data_range", [None, 40.0])
def test_ssim_equals_scikit_image(window, data_range):
    skimage = pytest.importorskip("skimage.metrics")
    forecast, truth = images()
    each = [
        skimage.structural_similarity(f, o, data_range=data_range or np.ptp(o), **SKIMAGE[window])
        for f, o in zip(forecast, truth, strict=True)
    ]
    text = "ssim" if data_range is None else f"ssim(data_range={data_range})"
    text = text if window == "gaussian" else text.replace(")", "") + f", window={window})"
    text = text.replace("ssim,", "ssim(")
    assert score(text, forecast, truth).item() == pytest.approx(np.mean(each), rel=1e-10)


def test_ssim_equals_torchmetrics():
    torch = pytest.importorskip("torch")
    functional = pytest.importorskip("torchmetrics.functional.image")
    pytest.importorskip("skimage")
    forecast, truth = images()
    given = (torch.from_numpy(image)[:, None] for image in (forecast, truth))
    _, expected = functional.structural_similarity_index_measure(
        *given, data_range=25.0, return_full_image=True
    )
    # It counts cells near the border too, where the window holds mirrored cells.
    inside = expected[:, 0, 5:-5, 5:-5].mean().item()
    assert score("ssim(data_range=25)", forecast, truth).item() == pytest.approx(inside, rel=1e-9)


def test_ssim_leaves_out_windows_with_missing_values():
    pytest.importorskip("skimage")
    forecast, truth = images(1)
    whole = structural_similarity(forecast[0], truth[0], 10.0, "uniform")
    forecast[0, 5, 6] = truth[0, 16, 20] = np.nan
    found = structural_similarity(forecast[0], truth[0], 10.0, "uniform")
    touched = np.zeros(whole.shape, dtype=bool)
    touched[2:9, 3:10] = touched[13:, 17:] = True
    np.testing.assert_array_equal(np.isnan(found), np.isnan(whole) | touched)
    np.testing.assert_allclose(found[~np.isnan(found)], whole[~np.isnan(found)], rtol=1e-9)
    expected = np.nanmean(found)
    text = "ssim(data_range=10, window=uniform)"
    assert score(text, forecast, truth).item() == pytest.approx(expected, rel=1e-12)


def test_ssim_of_a_region_is_the_mean_of_its_cells():
    pytest.importorskip("skimage")
    forecast, truth = images(1)
    weights = region_weights(LATITUDE, LONGITUDE, ["global", "lat:45:55", "lat:58:60"])
    cells = structural_similarity(forecast[0], truth[0]).ravel()
    known = np.isfinite(cells)
    found = score("ssim", forecast, truth, weights=weights)
    for region in (0, 1):
        expected = np.average(cells[known], weights=weights[known, region])
        assert found[region] == pytest.approx(expected, rel=1e-12)
    assert np.isnan(found[2])  # no whole window there


def test_order_of_rows_and_dimensions_changes_nothing():
    pytest.importorskip("skimage")
    forecast, truth = images(2)
    for text in ("ssim", "psnr"):
        expected = score(text, forecast, truth)
        south = Layout(LATITUDE[::-1], LONGITUDE)
        flipped = score(text, forecast[:, ::-1], truth[:, ::-1], south)
        np.testing.assert_allclose(flipped, expected, rtol=1e-12)
        columns = Layout(LATITUDE, LONGITUDE, longitude_first=True)
        np.testing.assert_allclose(score(text, forecast, truth, columns), expected, rtol=1e-12)


def test_perfect_flat_small_and_empty_images():
    pytest.importorskip("skimage")
    forecast, truth = images()
    assert score("ssim", truth, truth).item() == pytest.approx(1.0, abs=1e-12)
    flat = np.full_like(truth, 280.0)
    assert score("ssim", flat, truth).item() < 0.2
    assert np.isnan(score("ssim", forecast, flat)).all()  # the truth has no range
    assert np.isfinite(score("ssim(data_range=10)", forecast, flat)).all()
    assert np.isnan(score("ssim", forecast, np.full_like(truth, np.nan))).all()
    assert np.isnan(structural_similarity(np.eye(5), np.eye(5))).all()


@given(st.integers(-200, 200))
def test_ssim_and_psnr_know_no_unit(exponent):
    pytest.importorskip("skimage")
    forecast, truth = images(1)
    for text in ("ssim", "psnr"):
        scaled = score(text, 2.0**exponent * forecast, 2.0**exponent * truth)
        np.testing.assert_allclose(scaled, score(text, forecast, truth), rtol=1e-9)


def test_psnr_equals_scikit_image_and_torchmetrics():
    skimage = pytest.importorskip("skimage.metrics")
    torch = pytest.importorskip("torch")
    functional = pytest.importorskip("torchmetrics.functional.image")
    forecast, truth = images()
    each = [
        skimage.peak_signal_noise_ratio(o, f, data_range=np.ptp(o))
        for f, o in zip(forecast, truth, strict=True)
    ]
    mean = score("psnr(form=mean_of_samples)", forecast, truth).item()
    assert mean == pytest.approx(np.mean(each), rel=1e-12)
    given = (torch.from_numpy(image) for image in (forecast, truth))
    pooled = functional.peak_signal_noise_ratio(*given, data_range=25.0).item()
    assert score("psnr(data_range=25)", forecast, truth).item() == pytest.approx(pooled, rel=1e-6)


def test_psnr_takes_the_range_of_all_valid_cells():
    forecast, truth = images(2)
    truth[0, 0, 0], forecast[0, 3, 3], truth[0, 3, 3] = np.nan, np.nan, 1e9
    batch = Batch(LAYOUT.cells(forecast), LAYOUT.cells(truth), None, None, LAYOUT)
    weights = region_weights(LATITUDE, LONGITUDE, ["global", "lat:45:55"])
    found = TruthRange().means(batch, Regions(weights))
    known = np.isfinite(truth) & np.isfinite(forecast)
    expected = [np.ptp(o[k]) for o, k in zip(truth, known, strict=True)]
    np.testing.assert_allclose(found, np.stack([expected, expected], axis=1), rtol=1e-15)
    error = np.where(known, forecast - truth, np.nan)
    noise = np.nanmean(np.square(error), axis=(1, 2)) / np.square(expected)
    sizes = known.sum(axis=(1, 2))
    pooled = -10 * np.log10(np.average(noise, weights=sizes))
    assert score("psnr", forecast, truth).item() == pytest.approx(pooled, rel=1e-12)


def test_psnr_of_a_perfect_image_is_infinite():
    _, truth = images()
    assert score("psnr", truth, truth).item() == np.inf
    forecast = truth.copy()
    forecast[0] += 1.0
    alone = score("psnr(form=mean_of_samples)", forecast[:1], truth[:1])
    assert score("psnr(form=mean_of_samples)", forecast, truth) == alone
    assert np.isnan(score("psnr", truth + 1, np.full_like(truth, 3.0))).all()


@pytest.mark.parametrize(
    "text", ["ssim(window=hann)", "ssim(data_range=0)", "psnr(data_range=-1)", "psnr(form=max)"]
)
def test_bad_parameters_are_refused(text):
    with pytest.raises(UserError, match="cannot be made"):
        get_metric(text)


def test_without_scikit_image_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage.metrics", None)
    with pytest.raises(UserError, match=r"pip install \"climbench\[images\]\""):
        structural_similarity(np.eye(12), np.eye(12))


def bands(seed=0):
    random = np.random.default_rng(seed)
    truth = 1.0 + random.random((4, 6, 8))
    return truth + 0.1 * random.normal(size=truth.shape), truth


def test_spectral_angle_equals_torchmetrics():
    torch = pytest.importorskip("torch")
    functional = pytest.importorskip("torchmetrics.functional.image")
    given = (torch.from_numpy(image)[None] for image in bands())
    expected = np.rad2deg(functional.spectral_angle_mapper(*given).item())
    assert spectral_angle(*bands()) == pytest.approx(expected, rel=1e-6)


def test_spectral_angle_sees_mixture_not_brightness():
    _, truth = bands()
    assert spectral_angle(truth, truth) == 0.0
    assert spectral_angle(3.0 * truth, truth) == pytest.approx(0.0, abs=1e-12)
    assert spectral_angle(-truth, truth) == pytest.approx(180.0)
    tiny = np.array([[1.0], [1e-9]])
    assert spectral_angle(tiny, [[1.0], [0.0]]) == pytest.approx(np.rad2deg(1e-9), rel=1e-12)


def test_ergas_equals_torchmetrics():
    torch = pytest.importorskip("torch")
    functional = pytest.importorskip("torchmetrics.functional.image")
    given = (torch.from_numpy(image)[None] for image in bands())
    expected = functional.error_relative_global_dimensionless_synthesis(*given, ratio=4.0).item()
    assert ergas(*bands(), ratio=0.25) == pytest.approx(expected, rel=1e-10)
    with pytest.raises(UserError, match=r"write ratio=0\.25"):
        ergas(*bands(), ratio=4.0)


def test_ergas_of_a_band_without_mean_is_missing():
    assert np.isnan(ergas([[1.0, 2.0]], [[-1.0, 1.0]], ratio=1.0))


def test_bands_leave_out_missing_cells_and_take_weights():
    forecast, truth = bands()
    weight = np.random.default_rng(3).integers(1, 4, size=(6, 8)).astype(float)
    holes = forecast.copy()
    holes[2, 1, 1] = np.nan
    weight[4, 4] = 0.0
    kept = weight.copy()
    kept[1, 1] = 0.0
    repeated = [np.repeat(b.reshape(4, -1), kept.ravel().astype(int), 1) for b in (forecast, truth)]
    assert spectral_angle(holes, truth, weight) == pytest.approx(spectral_angle(*repeated))
    assert ergas(holes, truth, 0.5, weight) == pytest.approx(ergas(*repeated, 0.5))
    empty = np.full_like(truth, np.nan)
    assert np.isnan(spectral_angle(empty, truth)) and np.isnan(ergas(empty, truth, 0.5))
    with pytest.raises(ValueError, match="same shape"):
        ergas(forecast[:2], truth, 0.5)


def test_psnr_is_in_decibel():
    assert get_metric("psnr").unit == "dB"
