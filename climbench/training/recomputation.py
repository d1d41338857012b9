"""Less memory for more computing: blocks whose inner values are computed again for the gradient."""

from functools import partial

from torch import nn
from torch.utils.checkpoint import checkpoint

from climbench.errors import UserError


def recompute_blocks(network: nn.Module) -> None:
    """Let the blocks of a network keep only what goes into them until the gradient needs more.

    Blocks are the members of lists of modules, and of a sequence that is called ``blocks``; of
    lists inside lists the innermost. Names of weights, answers and gradients stay the same, random
    numbers of dropout too; a training step takes about a third longer.

    Parameters
    ----------
    network
        Changed in place.

    Raises
    ------
    UserError
        If it has no blocks.

    References
    ----------
    Chen et al. (2016), Training deep nets with sublinear memory cost.
    """
    blocks = blocks_of(network)
    if not blocks:
        raise UserError(
            f"{type(network).__name__} has no list of blocks: leave out "
            "'trainer.activation_checkpointing'."
        )
    for block in blocks:
        block.forward = partial(checkpoint, block.forward, use_reentrant=False)


def blocks_of(network: nn.Module) -> list[nn.Module]:
    """Return the members of all lists of blocks that hold no such list themselves."""
    found: list[nn.Module] = []
    for name, part in network.named_modules():
        if isinstance(part, nn.ModuleList) or (
            isinstance(part, nn.Sequential) and name.rpartition(".")[2] == "blocks"
        ):
            found += [block for block in part if next(block.parameters(), None) is not None]
    known = {id(block) for block in found}
    return [
        block
        for block in found
        if not any(id(part) in known for part in block.modules() if part is not block)
    ]
