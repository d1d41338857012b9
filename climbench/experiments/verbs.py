"""What each verb of the command line does: options in, exit code out."""

import json
import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.console import Console

from climbench.config.folders import conf_folder, group_options
from climbench.errors import UserError, nearest

if TYPE_CHECKING:
    import xarray as xr

Config = Mapping[str, Any]
console = Console()
INPUTS = ("predictions", "truth", "climatology")


def _say(text: str) -> None:
    """Print a line as it is: paths and names may hold what rich takes for markup."""
    console.print(text, soft_wrap=True, markup=False, highlight=False)


class Finished(NamedTuple):
    """What a verb comes to: an exit code, and what a sweep over its options lowers."""

    code: int
    objective: float | None = None


def run_verb(config: Config) -> int | Finished:
    """Run an experiment and show its leaderboard; its gate decides the exit code if asked to."""
    from hydra.core.hydra_config import HydraConfig

    from climbench.experiments.kinds import run_kind
    from climbench.experiments.run import RunConfig, run, show

    values = dict(config)
    further = values.pop("words", [])  # what Hydra was not told
    overrides = HydraConfig.get().overrides.task
    given = [re.sub("^([^=]+)='([^']*)'$", r"\1=\2", word) for word in overrides]  # as typed
    words = shlex.join(["climbench", "run", *given, *further])
    if config.get("kind"):
        return run_kind({**values, "command": words})
    options = RunConfig.parse({**values, "command": words})
    result = run(options)
    show(result)
    failed = result.gate is not None and not result.gate["passed"]
    return Finished(1 if options.gate_decides and failed else 0, result.validation_loss)


def train_verb(config: Config) -> Finished:
    """Train one model on an experiment's task and print the checkpoint's path."""
    from climbench.config import ModelConfig
    from climbench.experiments.kinds import shared_options
    from climbench.experiments.run import RunConfig, fit, prepare
    from climbench.training import validation_loss

    options = shared_options(config)
    model = options.pop("model", None)
    if "name" not in (model or {}):
        raise UserError("climbench train needs model=NAME: `climbench list models` shows them.")
    parsed = RunConfig.parse({**options, "models": {model["name"]: model}, "gate": None})
    _, task = prepare(parsed)
    checkpoint, _ = fit(parsed, task, model["name"], ModelConfig(**model))
    _say(str(checkpoint))
    return Finished(0, validation_loss(checkpoint))


def build_verb(config: Config) -> int:
    """Build a store, print the plan, or verify a store that is finished."""
    from climbench.recipes import build, load_recipe, plan

    if not isinstance(config["plan"], bool):
        raise UserError(f"option 'plan' = {config['plan']!r} is wrong: write true or false.")
    recipe = load_recipe(_of_source(config), _narrowed(config))
    data_root = Path(config["data_root"]) if config["data_root"] else None
    if config["plan"]:
        console.print(plan(recipe, data_root, stores_dir=Path(config["stores_dir"])))
        return 0
    stores = Path(config["stores_dir"])
    if config["verify"]:
        return _verify(config, recipe, stores, data_root)
    if config["scheduler"] is not None and config["cluster"] is not None:
        raise UserError("options 'scheduler' and 'launcher' exclude each other: give one.")
    scheduler = config["scheduler"] if config["cluster"] is None else config["cluster"]
    path = build(recipe, stores, data_root, workers=config["workers"], scheduler=scheduler)
    _say(str(path))
    return 0


def _of_source(config: Config) -> str:
    """Return the recipe that is meant: with ``source=synthetic`` the twin of the one named."""
    from climbench.recipes import list_recipes

    name, source = str(config["recipe"]), config["source"]
    if source is None:
        return name
    if source != "synthetic":
        raise UserError(f"option 'source' = {source!r} is wrong: write synthetic, or leave it out.")
    ending = "_synthetic"
    twins = [one.removesuffix(ending) for one in list_recipes() if one.endswith(ending)]
    if name not in twins:
        hint = nearest(name, twins)
        raise UserError(f"option 'source': recipe '{name}' has no synthetic twin: {hint}")
    return name + ending


RECIPE_OPTIONS = (
    *("variables", "levels", "source_id", "experiment_id", "member_id", "table_id"),
    *("grid_label", "version"),
)
RECIPE_GROUPS = ("output", "statistics", "checks")


MANNERS = {True: "checksums", "true": "checksums", "source": "source", "mend": "mend"}


def _verify(config: Config, recipe: Any, stores: Path, data_root: Path | None) -> int:
    from climbench.recipes.verify import verify

    manner: Any = MANNERS.get(config["verify"])
    if manner is None:
        raise UserError(f"option 'verify' = {config['verify']!r}: write true, source or mend.")
    parts, mended = verify(recipe, stores, data_root, manner=manner, workers=config["workers"])
    found = (
        f"damaged and mended: {', '.join(mended)}; all else of {parts} parts is as it was built"
        if mended
        else (
            f"all {parts} parts are as they were built"
            + (", and as the sources are now" if manner == "source" else "")
        )
    )
    _say(f"{recipe.name}: {found}")
    return 0


def _narrowed(config: Config) -> dict[str, Any]:
    """Return what the command line changes in a recipe."""
    from hydra.core.hydra_config import HydraConfig

    changes = {key: config[key] for key in RECIPE_OPTIONS if config[key] is not None}
    for override in HydraConfig.get().overrides.task:
        group, dot, option = override.partition("=")[0].partition(".")
        if dot and group in RECIPE_GROUPS:  # null counts: it may differ from the recipe's
            changes.setdefault(group, {})[option] = config[group][option]
    if config["dates"] is not None:
        first, slash, last = str(config["dates"]).partition("/")
        if not (first and slash and last):
            raise UserError(f"option 'dates' = {config['dates']!r} is wrong: write FIRST/LAST.")
        changes["dates"] = {"start": first, "end": last}
    return changes


def predict_verb(config: Config) -> int:
    """Write the predictions of a checkpoint and print their path."""
    from climbench.prediction import predict
    from climbench.training import task_of

    checkpoint = Path(config["checkpoint"])
    store = Path(config["store"]) if config["store"] else None
    task = task_of(checkpoint, store)
    output = Path(config["output"] or checkpoint.with_suffix(".predictions.zarr"))
    _say(str(predict(checkpoint, task, output, config["batch_size"])))
    return 0


def emulate_verb(config: Config) -> int:
    """Project a pathway with an emulator, print what to look at and the page's path."""
    from climbench.experiments.projection import project

    options = {key: config[key] for key in EMULATE_OPTIONS}
    output = Path(config["output"] or Path("projections") / Path(config["scenario"]).stem)
    found = project(output, options)
    for note in found.notes:
        _say(f"note: {note}")
    _say(str(output / "index.html"))
    return 0


EMULATE_OPTIONS = (
    *("checkpoint", "scenario", "store", "members", "maps_like", "climate_model", "batch_size"),
)


def evaluate_verb(config: Config) -> int:
    """Score predictions, print the table and the path of the scores; or check earlier scores."""
    from climbench.evaluation import check_scores, evaluate, write_scores
    from climbench.evaluation.options import without_climatology
    from climbench.report import listing
    from climbench.report.listing import missing_truth

    if config["check"]:
        moved = {name: config[name] for name in INPUTS if config[name] is not None}
        _refuse_beside_check()
        differences = check_scores(Path(config["check"]), moved)
        for sentence in differences or ["computed again, every score is the same"]:
            _say(f"{config['check']}: {sentence}")
        return 1 if differences else 0
    for name in ("predictions", "truth", "output"):
        if not config[name]:
            raise UserError(f"climbench evaluate needs {name}=PATH.")
    options = {option: config[option] for option in EVALUATE_OPTIONS}
    options["model"] = str(config["name"] or Path(config["predictions"]).stem)
    if config["climatology"] is None:
        options["metrics"], left_out = without_climatology(options["metrics"])
        if left_out:
            console.print(f"left out without climatology=PATH: {', '.join(left_out)}")
    scores = evaluate(**options)
    scores.attrs["evaluation"] = json.dumps(options)
    notes = json.loads(scores.attrs.get("notes", "{}")).get(options["model"], [])
    for note in [*missing_truth(scores), *notes]:
        _say(f"note: {note}")
    write_scores(scores, Path(config["output"]))
    console.print(listing(scores, console.width))
    _say(str(Path(config["output"]) / "scores.nc"))
    return 0


def _refuse_beside_check() -> None:
    """Refuse options that `check` would not heed: it takes them from the file."""
    from hydra.core.hydra_config import HydraConfig

    for override in HydraConfig.get().overrides.task:
        name = override.lstrip("+~").partition("=")[0]
        if name not in ("check", *INPUTS):
            raise UserError(f"option 'check' takes '{name}' from the file: leave it out.")


EVALUATE_OPTIONS = (
    *("predictions", "truth", "climatology", "metrics", "ensemble_metrics", "preset"),
    *("weighting", "regions", "variables", "levels", "period", "time", "nan", "missing"),
    *("maps", "bins", "extremes"),
    *("bootstrap", "confidence", "seed", "scheduler"),
)


def climatology_verb(config: Config) -> int:
    """Build a climatology, print what it holds and its path."""
    from rich.filesize import decimal

    from climbench.config.instantiate import check_options
    from climbench.evaluation import build_climatology
    from climbench.store.opening import read_group

    options = {key: config[key] for key in config if not key.endswith(("_dir", "_root"))}
    checked = check_options(build_climatology, options, set(), "climatology")
    path = build_climatology(**checked, progress_bar=console.is_terminal)
    climate = read_group(path)
    first, last = json.loads(climate.attrs["period"])
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    console.print(f"period: {first} to {last}, window of {climate.attrs['window_days']} days")
    console.print(f"variables: {', '.join(map(str, climate.data_vars))}", soft_wrap=True)
    console.print(f"hours: {', '.join(map(str, climate['hour'].values))}", soft_wrap=True)
    console.print(f"size: {decimal(size)}")
    _say(str(path))
    return 0


def stations_verb(config: Config) -> int:
    """Bring forecasts of maps to weather stations and print their path."""
    from climbench.config.instantiate import check_options
    from climbench.evaluation import at_stations

    options = {key: config[key] for key in config if not key.endswith(("_dir", "_root"))}
    checked = check_options(at_stations, options, set(), "stations")
    _say(str(at_stations(**checked, progress_bar=console.is_terminal)))
    return 0


def scores_of(address: str) -> "xr.Dataset":
    """Return the scores in ``FILE.nc`` (or its folder), or of one model in ``FILE.nc:MODEL``.

    Both may hold colons: the file ends at the last one before which there is a file.
    """
    from climbench.evaluation import read_scores

    path, model = address, ""
    while not Path(path).exists() and ":" in path:
        path = path.rpartition(":")[0]
        model = address[len(path) + 1 :]
    if not Path(path).exists():
        path, colon, model = address.rpartition(":")
        path, model = (path, model) if colon and path.endswith(".nc") else (address, "")
    scores = read_scores(Path(path))
    if model and model not in scores["model"].values:
        raise UserError(f"{path} has no model '{model}': {nearest(model, scores.model.values)}")
    return scores.sel(model=[model]) if model else scores


def rules_file(name: str) -> Path:
    """Return the YAML of a gate: a path, or a name in ``conf/gate``."""
    path = Path(name)
    if path.is_file():
        return path
    if name in group_options("gate"):
        return conf_folder() / "gate" / f"{name}.yaml"
    hint = nearest(path.stem, group_options("gate"))
    raise UserError(f"The rules '{name}' are neither a file nor a name in conf/gate: {hint}")


def gate_verb(config: Config) -> int:
    """Hold scores against rules; 0 when every rule is kept, else 1."""
    from climbench.evaluation import gate, load_rules

    annotated = config["annotations"]
    if not isinstance(annotated, bool | None):
        raise UserError(f"option 'annotations' = {annotated!r} is wrong: write true or false.")
    result = gate(
        scores_of(config["candidate"]),
        scores_of(config["reference"]),
        load_rules(rules_file(config["rules"])),
    )
    for sentence in [*result.sentences, result.summary]:
        _say(sentence)
    if annotated is None:
        annotated = os.environ.get("GITHUB_ACTIONS") == "true"
    for line in result.annotations if annotated else []:
        print(line)
    if config["output"]:
        folder = Path(config["output"])
        folder.mkdir(parents=True, exist_ok=True)
        result.write_json(folder / "gate.json")
        result.write_junit(folder / "gate.xml")
    return result.exit_code


def compare_verb(config: Config) -> int:
    """Print which differences of two models are more than chance."""
    from climbench.evaluation import compare, comparison_table, write_comparison

    chosen = ("metrics", "variables", "leads", "regions", "scenarios")
    settings = ("bootstrap", "confidence", "seed", "autocorrelation")
    result = compare(
        scores_of(config["candidate"]),
        scores_of(config["reference"]),
        **{key: config[key] for key in (*chosen, *settings)},
    )
    console.print(comparison_table(result, width=console.width))
    if config["output"]:
        for path in write_comparison(result, Path(config["output"])):
            _say(str(path))
    return 0


def report_verb(config: Config) -> int:
    """Write the page of scores, or the site of runs, and print its path."""
    from climbench.experiments.finished_runs import benchmark_of_scores, site_folder
    from climbench.experiments.joined_runs import benchmarks_of
    from climbench.experiments.run_report import page_options
    from climbench.report import leaderboard, report

    if bool(config["runs"]) == bool(config["scores"]):
        raise UserError("climbench report needs either runs=[FOLDER,...] or scores=[FILE,...].")
    output = site_folder(config["output"])
    shown = page_options(config["report"])
    if config["runs"] is not None:
        found, alone = benchmarks_of(_paths(config["runs"]))
    else:
        found, alone = [benchmark_of_scores(_paths(config["scores"]), config["title"])], {}
    pages = found[0] if len(found) == 1 and not alone else found
    written = report(pages, output, config["title"], alone, **shown)
    for benchmark in found:
        console.print(leaderboard(benchmark.scores, shown["lead_hours"], benchmark.comparison))
    _say(str(written))
    return 0


def _paths(value: Any) -> list[Path]:
    return [Path(str(each)) for each in (value if isinstance(value, list) else [value])]


def list_verb(config: Config) -> int:
    """Print what there is of one kind, or of all; or all about one recipe."""
    from climbench.experiments.catalogue import catalogue, recipe_page

    chosen = config["recipe"]
    console.print(
        catalogue(config["what"], console.width) if chosen is None else recipe_page(chosen)
    )
    return 0


def inspect_verb(config: Config) -> int:
    """Print what a store holds."""
    from climbench.store import describe_store

    console.print(describe_store(Path(config["store"])))
    return 0


def doctor_verb(config: Config) -> int:
    """Print versions, devices and extras; 0 when the tiny run works."""
    from climbench.experiments.doctor import diagnose

    return 0 if diagnose(console, tiny_run=config["tiny_run"]) else 1
