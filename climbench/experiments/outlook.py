"""What a run is about to do, and what it has done, in a few lines."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from climbench.experiments.model_stages import ModelStages
from climbench.experiments.stage import Stage
from climbench.progress import duration_in_words
from climbench.tasks import Task
from climbench.tasks.task import Split

SPLITS: tuple[Split, ...] = ("train", "validation", "test")


def plan(task: Task, models: Sequence[ModelStages]) -> RenderableType:
    """Return a table of what will be done for each model, and what is there already.

    Parameters
    ----------
    task
        Of the experiment, its store built.
    models
        The stages of each model.
    """
    train, validation, test = (f"{len(task.split(name)):,}" for name in SPLITS)
    counts = f"{train} training, {validation} validation and {test} test samples"
    size = decimal(_bytes_in(task.store))
    todo = [stage for each in models for stage in _stages(each) if not stage.finished]
    heading = Text.assemble(
        ("plan     ", "bold"),
        f"{len(models)} models; {counts}; store of {size}; ",
        f"{len(todo)} of {3 * len(models)} stages to do" if todo else "all is done",
    )
    if not todo:
        return heading
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("model", overflow="fold")
    for verb in ("train", "predict", "evaluate"):
        table.add_column(verb)
    for each in models:
        table.add_row(Text(each.name), *(_state(stage, each) for stage in _stages(each)))
    return Group(heading, table)


def summary(
    models: Sequence[ModelStages], before: Sequence[bool], seconds: float, root: Path
) -> RenderableType:
    """Return what was done, how long it took, and where the most went.

    Parameters
    ----------
    models
        The stages of each model.
    before
        Of each stage of each model in turn, whether it was finished when the run began.
    seconds
        Duration of the run.
    root
        Its folder.
    """
    stages = [stage for each in models for stage in _stages(each)]
    new = [stage for stage, finished in zip(stages, before, strict=True) if not finished]
    costs = {stage.name: cost for stage in new if (cost := stage.cost()) is not None}
    text = f"{duration_in_words(seconds)}; {len(new)} stages done, {len(stages) - len(new)} reused"
    if costs:
        longest = max(costs, key=lambda name: costs[name]["seconds"])
        text += f"; longest: {longest} ({duration_in_words(costs[longest]['seconds'])})"
        memory = [cost["memory"] for cost in costs.values() if cost.get("memory")]
        text += f"; at most {decimal(max(memory))} of memory" if memory else ""
    return Text.assemble(("done     ", "bold"), f"{text}; {root} holds {decimal(_bytes_in(root))}")


def states(models: Sequence[ModelStages]) -> list[bool]:
    """Return of each stage of each model whether it is finished."""
    return [stage.finished for each in models for stage in _stages(each)]


def _stages(model: ModelStages) -> tuple[Stage, Stage, Stage]:
    return model.train, model.predict, model.evaluate


def _state(stage: Stage, model: ModelStages) -> Text:
    if stage.finished:
        return Text("done", style="green")
    if stage.begun:
        return Text("goes on", style="yellow")
    if stage is model.train and model.model.optimizer is not None:
        epochs = model.model.max_epochs
        return Text(f"{epochs} epoch{'s' if epochs > 1 else ''}")
    return Text("to do")


def _bytes_in(folder: Any) -> int:
    return sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
