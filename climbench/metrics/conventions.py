"""Peers differ by definition: their choices as presets, and the record of what was chosen."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from climbench.errors import UserError, nearest
from climbench.grids import Weighting
from climbench.metrics.metric import Metric, get_metric, metric_families, metric_names
from climbench.metrics.regions import LandRule

MissingRule = Literal["pooled", "per_time"]
MISSING_RULES: tuple[MissingRule, ...] = get_args(MissingRule)


@dataclass(frozen=True)
class Preset:
    """How one system defines its scores.

    Attributes
    ----------
    weighting
        Weight of a cell.
    missing
        Of cells without a value: ``pooled`` means that a sample counts by the weight of its
        valid cells, ``per_time`` that each sample's mean over valid cells counts the same.
    forms
        Parameters of metrics where they differ from climbench's defaults, by name.
    land
        Whether a cell with a known fraction of land shares its weight between land and sea.
    """

    weighting: Weighting
    missing: MissingRule
    forms: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    land: LandRule = "membership"


def at_stations(preset: Preset) -> Preset:
    """Return the definitions for stations, which are too few for a pattern at each time.

    The anomaly correlation is that of all times and stations together: of a single station at a
    single time it is a sign.
    """
    return replace(preset, forms={**preset.forms, "acc": {"form": "pooled_centred"}})


# wb2: Rasp et al. (2024), WeatherBench 2, with skipna=True. wbx: WeatherBench-X. wb1: Rasp et al.
# (2020), WeatherBench. scores: Leeuwenburg et al. (2024) with create_latitude_weights.
# climatelearn: Nguyen et al. (2023), with the whole period as one batch. climatebench:
# Watson-Parris et al. (2022).
PRESETS: dict[str, Preset] = {
    "wb2": Preset("area", "per_time", {"seeps": {"bounds": "excluded"}}, land="fraction"),
    "wbx": Preset("area_half_step", "pooled", {"acc": {"form": "ratio_of_means"}}),
    "wb1": Preset("cos", "pooled", {"acc": {"form": "pooled_centred"}}),
    "scores": Preset("cos", "pooled", {"pearson": {"form": "pooled", "weights": "none"}}),
    "climatelearn": Preset(
        "cos",
        "per_time",
        {
            "rmse": {"root": "before"},
            "acc": {"form": "pooled_centred"},
            "pearson": {"form": "pooled", "weights": "none"},
            "bias": {"sign": "truth_minus_forecast", "weights": "none"},
        },
    ),
    "climatebench": Preset("cos", "pooled"),
}


def preset(name: str) -> Preset:
    """Return a preset.

    Raises
    ------
    UserError
        If there is none of that name.
    """
    if name not in PRESETS:
        raise UserError(f"There is no preset '{name}': {nearest(name, PRESETS)}")
    return PRESETS[name]


def chosen_metrics(
    metrics: Sequence[str | Metric] | str,
    preset: Preset,
    climatology: bool,
    members: int,
    fits: Callable[[Metric], bool] = lambda metric: True,
) -> list[Metric]:
    """Return the metrics that options name.

    A family (``deterministic``, ``probabilistic``, ...) stands for those of its metrics that
    need no threshold and for which there is what they need: a climatology, an ensemble, certain
    variables.

    Parameters
    ----------
    metrics
        Labels, families or metrics.
    preset
        Gives parameters to metrics that are named without.
    climatology
        Whether there is one.
    members
        Size of the ensemble; 0 where there is none.
    fits
        Tells whether the data have the variables that a metric of a family is of.

    Raises
    ------
    UserError
        If a name is unknown, or a metric that is named needs what there is not.
    """
    names = _listed("metrics", metrics)
    families = metric_families()
    chosen: dict[Metric, None] = {}
    for name in names:
        if isinstance(name, str) and name not in families:
            metric = _known(name, preset)
            if metric.needs_climatology and not climatology:
                raise UserError(f"The metric '{metric.label}' needs the option 'climatology'.")
            if metric.needs_members and members == 0:
                raise UserError(
                    f"The metric '{metric.label}' needs an ensemble: predictions with a dimension "
                    "'member' (or 'number', 'realization'). What is named in 'ensemble_metrics' is "
                    "left out for others."
                )
            chosen[metric] = None
        elif isinstance(name, Metric):
            chosen[name] = None
        else:
            for member in families[name]:
                found = _without_threshold(member, preset)
                if found and _possible(found, climatology, members) and fits(found):
                    chosen[found] = None
    if not chosen:
        raise UserError(
            "The option 'metrics' is empty, or nothing of it fits these predictions: name at "
            "least one, such as rmse. Scores of events need their threshold: f1(threshold=280) or "
            "f1(quantile=0.9)."
        )
    return list(chosen)


def with_ensemble_metrics(
    metrics: Sequence[str | Metric] | str, of_ensembles: Sequence[str | Metric] | str, members: int
) -> list[str | Metric]:
    """Return the metrics with those of ensembles, where there is one.

    Parameters
    ----------
    metrics
        What is wanted in any case: what of it needs an ensemble is refused without.
    of_ensembles
        What is wanted of ensembles only.
    members
        Size of the ensemble; 0 where there is none.
    """
    named, further = _listed("metrics", metrics), _listed("ensemble_metrics", of_ensembles)
    return [*named, *further] if members else named


def _listed(option: str, given: Any) -> list[str | Metric]:
    """Return the labels and metrics of an option as a list."""
    names = [given] if isinstance(given, str | Metric) else given
    for name in names if isinstance(names, Sequence) else [names]:
        if not isinstance(name, str | Metric):
            raise UserError(f"The option '{option}' must be a list of labels, not {name!r}.")
    return list(names)


def _known(name: str, preset: Preset) -> Metric:
    bare = name.partition("(")[0].strip()
    if bare in metric_families():
        raise UserError(
            f"'{bare}' is a family of metrics and takes no parameters: name a metric of it, such "
            f"as {metric_families()[bare][0]}{name.strip().removeprefix(bare)}."
        )
    if bare not in metric_names():
        known = [*metric_names(), *metric_families()]
        raise UserError(f"There is no metric '{bare}': {nearest(bare, known)}")
    return get_metric(name, **preset.forms.get(bare, {}))


def _without_threshold(name: str, preset: Preset) -> Metric | None:
    try:
        return _known(name, preset)
    except UserError:
        return None


def _possible(metric: Metric, climatology: bool, members: int) -> bool:
    return (climatology or not metric.needs_climatology) and (
        members > 0 or not metric.needs_members
    )


def record(
    metrics: Sequence[Metric],
    weighting: str,
    missing: str,
    missing_forecast: str,
    land: str,
    time: str,
    period: Sequence[Any] | None,
    climatology: str,
    members: int,
) -> dict[str, Any]:
    """Return what the numbers are; only scores of equal records are compared.

    Parameters
    ----------
    metrics
        What is scored.
    weighting, missing, missing_forecast
        The options.
    land
        How cells are shared between land and sea; empty where no region asks.
    time
        Whether samples are ``initial`` times, ``valid`` times or ``year``.
    period
        First and last sample.
    climatology
        Its identity; empty where there is none.
    members
        Size of the ensemble.
    """
    parameters = {metric.name: metric for metric in metrics}
    return {
        "weights": weighting,
        "unweighted": ", ".join(
            sorted(metric.label for metric in metrics if getattr(metric, "weights", "") == "none")
        ),
        "bias": getattr(parameters.get("bias"), "sign", ""),
        "root": getattr(parameters.get("rmse"), "root", ""),
        "acc": getattr(parameters.get("acc"), "form", ""),
        "nan": missing,
        "missing_forecast": missing_forecast,
        "land": land,
        "time": time,
        "period": None if period is None else [str(bound) for bound in period],
        "climatology": climatology,
        "ensemble": "deterministic scores are those of its mean" if members else "",
    }
