"""Where the fits of the internal-variability experiment are made and judged."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from climbench.config import ModelConfig, instantiate
from climbench.errors import UserError
from climbench.experiments.internal_variability.draws import shares_of
from climbench.experiments.internal_variability.lines import Lines, SubsetLines, predict_lines
from climbench.experiments.internal_variability.spectra import PLACES, spectrum, true_spectrum
from climbench.experiments.internal_variability.truth import TRUTHS, MemberTruth
from climbench.metrics import Metric, Regions, region_weights
from climbench.metrics.conventions import chosen_metrics, preset
from climbench.metrics.noise_floor import FLOORS
from climbench.models.pattern_scaling import PatternScaling
from climbench.store import as_expected, expected_names, read_channel
from climbench.tasks import Emulation
from climbench.tasks.members import draw_members

Array = NDArray[np.float64]
Key = tuple[int, int]
"""Number of members, and the seed of their draw."""

SHARED_OPTIONS = {"_target_", "predictor", "global_mean_of"}
FIT_DIMS = ("fit", "truth", "channel", "metric")


@dataclass(frozen=True)
class Bench:
    """The members of the test scenario, and how predictions are held against them.

    Attributes
    ----------
    channels
        Names of the targets.
    labels
        Names of the members.
    years
        Calendar years of the test scenario ``[year]``.
    period
        First and last year that are scored.
    members
        Truth by channel ``[member, year, cell]``, float32.
    regions
        Weights of the cells; one region.
    metrics
        What is scored; lower is better.
    confidence
        Of the bounds of differences.
    units
        Of each channel.
    options
        What decides the scores, JSON-able.
    """

    channels: tuple[str, ...]
    labels: list[str]
    years: NDArray[np.int64]
    period: tuple[int, int]
    members: Mapping[str, NDArray[np.float32]]
    regions: Regions
    metrics: Sequence[Metric]
    confidence: float
    units: tuple[str, ...]
    options: Mapping[str, Any]

    @classmethod
    def of(cls, task: Emulation, evaluation: Mapping[str, Any]) -> "Bench":
        """Return the bench of a task, scored as the options of ``evaluate`` say.

        Raises
        ------
        UserError
            If there is not one test scenario with several whole members, or a metric does not
            fit.
        """
        chosen = preset(evaluation["preset"])
        weighting = evaluation["weighting"] or chosen.weighting
        signature, test = task.signature, _truth(task)
        years = task.years[task.test_years]
        first, last = evaluation["period"] or (int(years[0]), int(years[-1]))
        if not ((years >= first) & (years <= last)).sum() > 1:
            raise UserError(f"option 'evaluation.period' = [{first}, {last}] has no test years.")
        cells = region_weights(
            signature.latitude, signature.longitude, evaluation["regions"][:1], weighting
        )
        fields = {name: _members(test, name) for name in task.targets}
        kept = {"metrics", "preset", "weighting", "regions", "period", "confidence"}
        return cls(
            task.targets,
            [str(label) for label in test["member"].values],
            years,
            (int(first), int(last)),
            fields,
            Regions(cells),
            _metrics(evaluation["metrics"], evaluation["preset"]),
            evaluation["confidence"],
            tuple(str(read_channel(test, n).attrs.get("units", "")) for n in task.targets),
            {key: evaluation[key] for key in sorted(kept)},
        )

    @cached_property
    def scored(self) -> NDArray[np.bool_]:
        """Which years are scored ``[year]``."""
        return (self.years >= self.period[0]) & (self.years <= self.period[1])

    @cached_property
    def truths(self) -> dict[str, MemberTruth]:
        """The truth of each channel in the years that are scored."""
        return {
            name: MemberTruth(field[:, self.scored].astype(np.float64), self.regions, self.metrics)
            for name, field in self.members.items()
        }

    def judge(self, predictions: xr.Dataset, key: Key) -> xr.Dataset:
        """Return all that is wanted of one fit, from its predictions of the test scenario."""
        names = expected_names(predictions, "predictions")
        predictions = as_expected(predictions, names)  # of an emulator that draws
        fields = {}
        for name in self.channels:
            field = read_channel(predictions, name).isel(scenario=0)
            cells = field.transpose("time", "latitude", "longitude").values
            fields[name] = cells.reshape(1, self.years.size, -1).astype(np.float64)
        return self.record([key], lambda name, fits: fields[name][fits], 1)

    def record(self, keys: Sequence[Key], predict: Any, closely: int) -> xr.Dataset:
        """Return the scores of fits ``[fit, truth, channel, metric]``, and more of the first.

        Parameters
        ----------
        keys
            What each fit was made from.
        predict
            Returns the predictions ``[fit, year, cell]`` of a channel and a slice of fits.
        closely
            Seeds of draws below this are looked at closely: scores without each of the truth's
            members, and the spectrum of what the prediction adds to their mean.
        """
        shares = shares_of([self.drawn(key) for key in keys], len(self.labels))
        looked = np.flatnonzero([seed < closely for _, seed in keys])
        if closely == 1 and len(keys) == 1:
            looked = np.array([0])
        number, targets, metrics = len(keys), len(self.channels), len(self.metrics)
        score = np.full((number, len(TRUTHS), targets, metrics), np.nan)
        without = np.full((number, targets, metrics, len(self.labels)), np.nan)
        power = np.full((number, targets, len(PLACES), self.years.size // 2), np.nan)
        for at, name in enumerate(self.channels):
            truth, mean = self.truths[name], self.members[name].mean(axis=0, dtype=np.float64)

            def in_period(fits: slice, name: str = name) -> Array:
                return np.ascontiguousarray(predict(name, fits)[:, self.scored])

            for place, found in enumerate(truth.scores(in_period, shares).values()):
                score[:, place, at] = found.T
            for fit in looked:
                whole = predict(name, slice(fit, fit + 1))[0]
                without[fit, at] = truth.without_one(np.ascontiguousarray(whole[self.scored]))
                _, power[fit, at] = spectrum(whole - mean, self.regions)
        return xr.Dataset(
            {
                "score": (FIT_DIMS, score),
                "without_one": (("fit", "channel", "metric", "truth_member"), without),
                "spectrum": (("fit", "channel", "place", "frequency"), power),
            },
            {
                "truth": list(TRUTHS),
                "channel": list(self.channels),
                "metric": [metric.label for metric in self.metrics],
                "truth_member": self.labels,
                "place": list(PLACES),
                "members": ("fit", [count for count, _ in keys]),
                "member_seed": ("fit", [seed for _, seed in keys]),
                "model_seed": ("fit", [-1] * number),
            },
        )

    def scales(self, numbers: Sequence[int]) -> xr.Dataset:
        """Return what fits are seen beside: noise floors, and the spectra of true variability.

        Parameters
        ----------
        numbers
            Numbers of members; the floor of the held-out truth depends on them, and is that of
            the first draw.
        """
        shares = shares_of([self.drawn((count, 0)) for count in numbers], len(self.labels))
        floors, powers = [], []
        for name in self.channels:
            found = self.truths[name].floors(shares)
            floors.append([found[truth].T for truth in TRUTHS])
            frequency, power = true_spectrum(self.members[name], self.regions)
            powers.append(power)
        return xr.Dataset(
            {
                "noise_floor": (("channel", "truth", "size", "metric"), np.array(floors)),
                "true_spectrum": (("channel", "place", "frequency"), np.array(powers)),
            },
            {
                "size": list(numbers),
                "frequency": ("frequency", frequency, {"units": "year-1"}),
                "units": ("channel", list(self.units)),
                "unit_power": ("metric", [metric.unit_power for metric in self.metrics]),
            },
        )

    def drawn(self, key: Key) -> NDArray[np.int64]:
        """Return the positions of the members that a draw holds."""
        return draw_members(len(self.labels), *key)


def number_of_members(task: Emulation) -> int:
    """Return how many members a task's store has."""
    return int(task.dataset.sizes.get("member", 1))


def drawn_task(task: Emulation, key: Key, cache: Path | None = None) -> Emulation:
    """Return the task whose training fields are the mean of a draw of members."""
    count, seed = key
    return replace(task, member_count=count, member_seed=seed, cache=cache or task.cache)


def has_shared_sums(model: ModelConfig, task: Emulation) -> bool:
    """Tell whether a model is plain pattern scaling, which sums over members give at once."""
    target = f"{PatternScaling.__module__}.{PatternScaling.__name__}"
    plain = model.network["_target_"] == target and set(model.network) <= SHARED_OPTIONS
    return plain and task.members == "average"


def fits_from_sums(
    bench: Bench, task: Emulation, model: ModelConfig, keys: Sequence[Key], closely: int
) -> xr.Dataset:
    """Return the scores of pattern scaling for many draws, from one pass over the members.

    Parameters
    ----------
    bench
        What fits are held against.
    task
        What is asked, with the mean of all members.
    model
        Plain pattern scaling.
    keys
        The draws.
    closely
        See :meth:`Bench.record`.

    Raises
    ------
    UserError
        If a member lacks years of training that others have.
    """
    network: PatternScaling = instantiate(model.network, signature=task.signature)
    training = MemberYears(task)
    shares = shares_of([bench.drawn(key) for key in keys], len(bench.labels))
    means = []
    for fields in training:
        predictor = network.predictor_of(fields)[:, 0].numpy()
        means.append(network.area_mean(fields.targets[:, 0, network.target]).numpy())
    sums = SubsetLines(predictor, np.stack(means), shares)
    first = sums.global_lines()
    asked = task.split("test")
    future = network.predictor_of(asked.__getitems__(range(len(asked))))[:, 0].numpy()
    second: dict[str, Lines] = {}

    def predict(name: str, fits: slice) -> Array:
        if name not in second:
            second.clear()  # the lines of one target fill enough memory
            at = task.targets.index(name)
            local = (fields.targets[:, 0, at].flatten(1).numpy() for fields in training)
            second[name] = sums.local_lines(local)
        own, local_lines = (Lines(*(part[fits] for part in both)) for both in (first, second[name]))
        return predict_lines(own, local_lines, future)

    return bench.record(keys, predict, closely)


class MemberYears:
    """The training years of each member in turn, as batches of the same years.

    Parameters
    ----------
    task
        What is asked, with the mean of all members.

    Raises
    ------
    UserError
        If a member lacks years that others have.
    """

    def __init__(self, task: Emulation) -> None:
        self.samples = replace(task, members="each").split("train")
        names = self.samples.reader.coordinates["member"].values[self.samples.rows]
        self.rows = [np.flatnonzero(names == name) for name in task.dataset["member"].values]
        years = [
            np.stack([self.samples.scenario[rows], self.samples.window[rows, -1]])
            for rows in self.rows
        ]
        for name, own in zip(task.dataset["member"].values, years, strict=True):
            if not np.array_equal(own, years[0]):
                raise UserError(
                    f"member {name} lacks training years that others have: leave it out of the "
                    "recipe, or train on scenarios that all members have."
                )

    def __iter__(self) -> Iterator[Any]:
        """Yield a sample with all training years of each member."""
        for rows in self.rows:
            yield self.samples.__getitems__(rows.tolist())


def _truth(task: Emulation) -> xr.Dataset:
    """Return the one test run with its members ``[member, time, latitude, longitude]``."""
    if task.test_members is not None:
        raise UserError(
            "option 'task.test_members': the experiment holds out the members that a draw leaves."
        )
    truth = task.truth()
    if truth.sizes["scenario"] != 1:
        raise UserError("option 'task.test_scenarios': the experiment takes one test run.")
    if truth.sizes.get("member", 1) < number_of_members(task):
        raise UserError(
            f"store {task.store.name}: the experiment needs several members, all of which have "
            f"the test scenario {truth['scenario'].item(0)}."
        )
    return truth.isel(scenario=0)


def _members(test: xr.Dataset, name: str) -> NDArray[np.float32]:
    """Return a channel of the test run ``[member, year, cell]``."""
    field = read_channel(test, name)
    ordered = field.transpose("member", "time", "latitude", "longitude").values
    values = ordered.reshape(*ordered.shape[:2], -1).astype(np.float32)
    if not np.isfinite(values).all():
        at = int(np.flatnonzero(~np.isfinite(values).all(axis=(1, 2)))[0])
        raise UserError(
            f"member {test['member'].values[at]} has missing values of '{name}' in the test "
            "scenario: leave it out of the recipe."
        )
    return values


def _metrics(names: Any, preset_name: str) -> list[Metric]:
    metrics = chosen_metrics(names, preset(preset_name), False, 0)
    for metric in metrics:
        if metric.name not in FLOORS or metric.orientation != "lower":
            raise UserError(
                f"option 'evaluation.metrics': '{metric.label}' is no error whose noise floor is "
                f"known: take some of {', '.join(sorted(set(FLOORS) - {'bias', 'crps'}))}."
            )
    return metrics
