"""Starting a training from the weights of another: fine-tuning and pretrained encoders."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, cast

import torch
from rich.console import Console
from torch import Tensor, nn

from climbench.errors import UserError
from climbench.store.provenance import file_sha256
from climbench.tasks.sample import Signature
from climbench.training.checkpoint import DAMAGE

console = Console(stderr=True)


class Adapting(Protocol):
    """A network that can make use of weights that are not under its own names and sizes."""

    def adapt_weights(
        self, state: Mapping[str, Tensor], signature: Signature | None
    ) -> tuple[dict[str, Tensor], list[str]]:
        """Return the weights as this network has them, and the names of those it has changed."""
        ...


def load_initial_weights(network: nn.Module, path: Path) -> str:
    """Give a network the weights of a file, as far as names and sizes agree.

    Parameters
    ----------
    network
        Not yet trained; may have ``adapt_weights``, see :class:`Adapting`.
    path
        A checkpoint of climbench, or the weights of a public one.

    Returns
    -------
    str
        One line that says what was taken, what was changed on the way, what is new in the
        network, and what in the file is of no use to it. It is also printed.

    Raises
    ------
    UserError
        If the file is missing or damaged, or none of its weights fits.
    """
    state, signature = _read(path)
    changed: list[str] = []
    if hasattr(network, "adapt_weights"):
        state, changed = cast(Adapting, network).adapt_weights(state, signature)
    own = network.state_dict()
    fitting = {k: v for k, v in state.items() if k in own and own[k].shape == v.shape}
    if not fitting:
        raise UserError(
            f"no weight in {path} has the name and size of one in {type(network).__name__}: "
            "option 'initial_weights' needs the checkpoint of such a network."
        )
    network.load_state_dict(fitting, strict=False)
    line = (
        f"initial weights of {path.name}: {len(fitting)} of {len(own)} taken; "
        f"changed: {_listed(name for name in changed if name in fitting)}; "
        f"new: {_listed(own.keys() - fitting.keys())}; "
        f"left out: {_listed(state.keys() - fitting.keys())}"
    )
    console.print(line, soft_wrap=True, markup=False, highlight=False)
    return line


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


def _listed(names: Any) -> str:
    """Return names in order; the blocks of a network together, as ``blocks.*.norm``."""
    short = {".".join("*" if part.isdigit() else part for part in n.split(".")) for n in names}
    return ", ".join(sorted(short)) or "none"
