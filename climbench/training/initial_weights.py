"""Starting a training from the weights of another: fine-tuning and pretrained encoders."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, cast

import torch
from rich.console import Console
from torch import Tensor, nn

from climbench.errors import UserError
from climbench.models.adapted import Adapted
from climbench.store.provenance import file_sha256
from climbench.tasks.sample import Signature
from climbench.training.checkpoint import DAMAGE
from climbench.training.fine_tuning import short_name

console = Console(stderr=True)


class Adapting(Protocol):
    """A network that can make use of weights that are not under its own names and sizes."""

    def adapt_weights(self, state: Mapping[str, Tensor], signature: Signature | None) -> Adapted:
        """Return the weights as this network has them, and what was done to them."""
        ...


@dataclass(frozen=True)
class Line:
    """What became of one weight of a file.

    Attributes
    ----------
    weight
        Its name in the file.
    became
        ``matched``, ``adapted`` or ``not matched``.
    name
        Its name in the network; empty where it is not matched.
    how
        What was done to it, or why it is of no use.
    """

    weight: str
    became: Literal["matched", "adapted", "not matched"]
    name: str = ""
    how: str = ""


@dataclass(frozen=True)
class Report:
    """What a network took from a file of weights.

    Attributes
    ----------
    file
        Name of the file.
    lines
        One for every weight of the file, in its order.
    taken, new
        Weights of the network that come from the file, and those that do not.
    """

    file: str
    lines: tuple[Line, ...]
    taken: tuple[str, ...]
    new: tuple[str, ...]

    def text(self) -> str:
        """Return short lines: a count, then what happened to each weight, alike ones as one."""
        counts: dict[tuple[str, str, str, str], int] = {}
        for line in self.lines:
            key = (line.became, short_name(line.weight), short_name(line.name), line.how)
            counts[key] = counts.get(key, 0) + 1
        whole = len(self.taken) + len(self.new)
        texts = [f"initial weights of {self.file}: {len(self.taken)} of {whole} taken"]
        for (became, weight, name, how), count in counts.items():
            arrow = f" -> {name}" if name not in ("", weight) else ""
            times = f" ({count})" if count > 1 else ""
            texts.append(f"  {became:11s}  {weight}{arrow}{times}" + (f": {how}" if how else ""))
        texts += [f"  {'new':11s}  {name}" for name in dict.fromkeys(map(short_name, self.new))]
        return "\n".join(texts)

    def write(self, path: Path) -> None:
        """Write the whole report as JSON, under a temporary name first."""
        partial = path.with_name(path.name + ".partial")
        partial.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")
        partial.replace(path)


def read_report(path: Path) -> Report:
    """Return the report that :meth:`Report.write` wrote."""
    values = json.loads(path.read_text(encoding="utf-8"))
    lines = tuple(Line(**line) for line in values["lines"])
    return Report(values["file"], lines, tuple(values["taken"]), tuple(values["new"]))


def load_initial_weights(network: nn.Module, path: Path) -> Report:
    """Give a network the weights of a file, as far as names and sizes agree.

    Parameters
    ----------
    network
        Not yet trained; may have ``adapt_weights``, see :class:`Adapting`.
    path
        A checkpoint of climbench, or the weights of a public one.

    Returns
    -------
    Report
        What became of every weight of the file. It is also printed.

    Raises
    ------
    UserError
        If the file is missing or damaged, or none of its weights fits.
    """
    state, signature = _read(path)
    adapted = Adapted(dict(state))
    if hasattr(network, "adapt_weights"):
        adapted = cast(Adapting, network).adapt_weights(state, signature)
    own = network.state_dict()
    fitting = {
        name: values
        for name, values in adapted.weights.items()
        if name in own and own[name].shape == values.shape
    }
    if not fitting:
        raise UserError(
            f"no weight in {path} has the name and size of one in {type(network).__name__}: "
            "option 'initial_weights' needs the checkpoint of such a network."
        )
    network.load_state_dict(fitting, strict=False)
    report = Report(
        file=path.name,
        lines=tuple(_line(name, values, adapted, own) for name, values in state.items()),
        taken=tuple(fitting),
        new=tuple(name for name in own if name not in fitting),
    )
    console.print(report.text(), soft_wrap=True, markup=False, highlight=False)
    return report


def _line(name: str, values: Tensor, adapted: Adapted, own: Mapping[str, Tensor]) -> Line:
    """Return what became of a weight of the file."""
    ours = adapted.origins.get(name, name)
    how = adapted.changed.get(ours, "")
    if ours not in own:
        return Line(name, "not matched", how=how or "the network has no such weight")
    found = adapted.weights.get(ours)
    if found is None or found.shape != own[ours].shape:
        sizes = f"{list(values.shape)} in the file, {list(own[ours].shape)} in the network"
        return Line(name, "not matched", how=how if found is None else sizes)
    return Line(name, "adapted" if how else "matched", ours, how)


def initial_weights_hash(path: Path) -> str:
    """Return the SHA-256 of a file of initial weights: other bytes make another training.

    Raises
    ------
    UserError
        If there is no such file.
    """
    _check(path)
    return file_sha256(path)


def _check(path: Path) -> None:
    if not path.is_file():
        raise UserError(f"option 'initial_weights': there is no file {path}.")


def _read(path: Path) -> tuple[Mapping[str, Tensor], Signature | None]:
    """Return the weights of a file, and the question they answer if it is one of climbench's."""
    _check(path)
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except DAMAGE as error:
        raise UserError(
            f"option 'initial_weights': {path} is no file of plain tensors or is truncated; code "
            "inside checkpoints is not run, so save its 'state_dict' alone."
        ) from error
    state = content.get("state_dict", content) if isinstance(content, dict) else {}
    tensors = {str(name): v for name, v in state.items() if isinstance(v, Tensor)}
    record = content.get("climbench") if isinstance(content, dict) else None
    return tensors, Signature.from_dict(record["signature"]) if record else None
