"""Experiments by name, for notebooks and scripts: what ``climbench run`` does, from Python."""

from collections.abc import Mapping
from typing import Any

from climbench.config.folders import conf_folder
from climbench.errors import UserError
from climbench.experiments.kinds import parse_experiment, run_of_kind
from climbench.experiments.run import RunConfig


def load_experiment(name: str, *overrides: str, **options: Any) -> RunConfig:
    """Return the options of an experiment in ``conf/experiment``.

    Parameters
    ----------
    name
        Such as ``quickstart``; see ``climbench list experiments``.
    *overrides
        As on the command line: ``"trainer.seed=1"``, ``"model=vit_small"``, ``"gate=null"``.
    **options
        What is put over them as it stands: ``data_root=Path("archive")``, ``runs_dir="runs"``,
        ``models={"mine": {"network": {"_target_": "my_file.MyNetwork"}, ...}}``. A mapping is put
        over the one that is there, key by key; ``None`` for a model leaves it out.

    Returns
    -------
    RunConfig
        For :func:`climbench.run`.

    Raises
    ------
    UserError
        If there is no such experiment, or an option is unknown or of the wrong type.

    Examples
    --------
    >>> load_experiment("quickstart", "trainer.seed=1", title="Again").trainer.seed
    1
    """
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    words = [f"experiment={name}", *overrides]
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(conf_folder()), version_base="1.3"):
            composed: Any = OmegaConf.to_container(
                compose("run", words), resolve=True, throw_on_missing=True
            )
    except (HydraException, OmegaConfBaseException) as error:
        from climbench.config.mistakes import explain

        raise explain(error, "run", words) from error
    values = _over(composed, options)
    values["models"] = {key: model for key, model in values["models"].items() if model is not None}
    for key, model in values["models"].items():
        if isinstance(model, dict):
            model.setdefault("name", key)
    return parse_experiment(values)


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``below`` with ``above`` put over it, mappings key by key."""
    result = dict(below)
    for key, value in above.items():
        old = result.get(key)
        both = isinstance(value, Mapping) and isinstance(old, Mapping)
        result[key] = _over(old or {}, value) if both else value
    return result


def run(experiment: str | RunConfig, *overrides: str, **options: Any) -> Any:
    """Run an experiment; stages whose inputs have not changed are not run again.

    Parameters
    ----------
    experiment
        Its name, or its options from :func:`load_experiment`.
    *overrides, **options
        As in :func:`load_experiment`; with a name only.

    Returns
    -------
    RunResult
        Scores, page, gate, and where store, checkpoints and predictions are. An experiment of a
        kind of its own returns its own result, such as
        :class:`climbench.experiments.telemetry.TelemetryResult`.

    Raises
    ------
    UserError
        If an option, the recipe or the data is wrong.

    Examples
    --------
    >>> result = run("quickstart", "trainer.seed=1")  # doctest: +SKIP
    >>> result.scores["score"].sel(metric="rmse", lead_time=24)  # doctest: +SKIP
    """
    if isinstance(experiment, RunConfig):
        if overrides or options:
            raise UserError("options go to climbench.load_experiment: its result is run as it is.")
        return run_of_kind(experiment)
    return run_of_kind(load_experiment(experiment, *overrides, **options))
