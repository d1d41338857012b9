"""Weights of other ClimaX networks, the authors' among them, as a network of ours has them."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from climbench.models.adapted import Adapted
from climbench.models.climax_variables import PUBLISHED_VARIABLES, names_of_tensor
from climbench.models.patch_positions import PatchCentres, positions_on
from climbench.tasks.sample import Signature

AUTHORS_NAMES = {  # of the authors' checkpoints, and ours
    "var_embed": "encoder.variables",
    "var_query": "encoder.variable_query",
    "var_agg": "encoder.variable_attention",
    "pos_embed": "encoder.positions",
    "lead_time_embed": "encoder.lead",
    "norm": "encoder.norm",
    "head": "head",
}
AUTHORS_BLOCKS = {  # behind "blocks.N."
    "norm1": "attention.0",
    "attn.qkv": "attention.1.query_key_value",
    "attn.proj": "attention.1.project",
    "norm2": "perceptron.0",
    "mlp.fc1": "perceptron.1",
    "mlp.fc2": "perceptron.4",
}
EMBEDDING = ("encoder.tokens.weight", "encoder.tokens.bias", "encoder.variables")
AUTHORS_STACKS = {
    "token_embeds.proj_weights": "encoder.tokens.weight",
    "token_embeds.proj_biases": "encoder.tokens.bias",
}
NAMES, POSITIONS = "encoder.names", "encoder.positions"


def adapt_weights(
    network: nn.Module, state: Mapping[str, Tensor], signature: Signature | None
) -> Adapted:
    """Return weights of another ClimaX as a network has them.

    Tokens, embeddings and the rows of the head are found by the names of their variables;
    positions are interpolated to the places of the patches; a head of one lead serves all.

    Parameters
    ----------
    network
        With a :class:`climbench.models.climax.ClimaXEncoder` as ``encoder``, and a ``head``.
    state
        The other's weights: of a network of ours or, where ``signature`` is None, the authors'.
    signature
        The question that the other network was built for.
    """
    adapted = translate_authors_weights(state) if signature is None else Adapted(dict(state))
    encoder: Any = network.encoder
    if POSITIONS in adapted.weights:
        _adapt_positions(adapted, encoder, signature)
    _adapt_variables(adapted, network, signature is None)
    return adapted


def translate_authors_weights(state: Mapping[str, Tensor]) -> Adapted:
    """Return the weights of the authors' checkpoint under the names of our networks.

    The tokens of their variables are put together where each has a convolution of its own; other
    files hold them stacked already. Names that have no counterpart stay as they are.
    """
    adapted = Adapted({})
    tokens: dict[tuple[str, int], Tensor] = {}
    for name, values in state.items():
        plain = name.removeprefix("net.").replace("channel", "var")  # as older files say
        token = re.fullmatch(r"token_embeds\.(\d+)\.proj\.(weight|bias)", plain)
        stack = AUTHORS_STACKS.get(plain)
        if stack is not None:
            adapted.origins[name] = stack
            adapted.weights[stack] = values.flatten(0, 1)  # [variable, width, ...]
            continue
        ours = f"encoder.tokens.{token[2]}" if token else _renamed(plain)
        if ours != name:
            adapted.origins[name] = ours
        if token:
            tokens[ours, int(token[1])] = values
        else:
            single = ours in (POSITIONS, "encoder.variables") and values.ndim == 3
            adapted.weights[ours] = values[0] if single else values
    for ours in dict.fromkeys(name for name, _ in tokens):
        own = [tokens[key] for key in sorted(key for key in tokens if key[0] == ours)]
        adapted.weights[ours] = torch.cat(own)
        adapted.changed[ours] = f"the tokens of {len(own)} variables put together"
    return adapted


def _renamed(name: str) -> str:
    """Return our name for a weight of the authors'."""
    block = re.fullmatch(r"blocks\.(\d+)\.(.*)", name)
    table, front = (AUTHORS_BLOCKS, f"encoder.blocks.{block[1]}.") if block else (AUTHORS_NAMES, "")
    inner = block[2] if block else name
    theirs = next((k for k in table if inner == k or inner.startswith(f"{k}.")), None)
    return name if theirs is None else front + table[theirs] + inner.removeprefix(theirs)


def _adapt_positions(adapted: Adapted, encoder: Any, signature: Signature | None) -> None:
    """Interpolate positions to the places of the encoder's patches."""
    theirs = adapted.weights[POSITIONS]
    if signature is not None:
        old = PatchCentres.of(signature, encoder.patch_size)
    else:  # twice as many columns as rows, as on the grids of ClimaX
        rows = math.isqrt(len(theirs) // 2)
        old = PatchCentres.of_globe(rows, 2 * rows)
    new = PatchCentres.of(encoder.signature, encoder.patch_size)
    shapes = [(len(each.latitude), len(each.longitude)) for each in (old, new)]
    if math.prod(shapes[0]) != len(theirs):
        adapted.refuse(POSITIONS, f"{len(theirs)} patches are of another patch size, or no globe")
        return
    moved = positions_on(theirs, old, new)
    if moved.shape == theirs.shape and torch.equal(moved, theirs):
        return
    adapted.weights[POSITIONS] = moved
    (rows, columns), (to_rows, to_columns) = shapes
    adapted.changed[POSITIONS] = (
        f"interpolated from {rows} x {columns} to the places of {to_rows} x {to_columns} patches"
    )


def _adapt_variables(adapted: Adapted, network: nn.Module, authors: bool) -> None:
    """Put the rows of variables to their places in the network's vocabulary."""
    encoder: Any = network.encoder
    ours, own = names_of_tensor(encoder.names), network.state_dict()
    known = adapted.weights.pop(NAMES, None)
    theirs = PUBLISHED_VARIABLES if authors else names_of_tensor(known) if known is not None else ()
    if known is not None:
        adapted.weights[NAMES] = own[NAMES]
        if theirs != ours:
            adapted.changed[NAMES] = "those of this network"
    cells = encoder.patch_size**2
    for name in (*EMBEDDING, *_last_layer(network)):
        if name not in adapted.weights:
            continue
        found = _by_variable(
            adapted.weights[name], own[name], theirs, ours, None if name in EMBEDDING else cells
        )
        if isinstance(found, str):
            adapted.refuse(name, found)
            continue
        leads = found.numel() * len(theirs) // (adapted.weights[name].numel() * len(ours))
        done = adapted.changed.get(name), _said(theirs, ours, leads)
        if found.shape != adapted.weights[name].shape or not torch.equal(
            found, adapted.weights[name]
        ):
            adapted.changed[name] = "; ".join(part for part in done if part)
        adapted.weights[name] = found


def _last_layer(network: nn.Module) -> tuple[str, ...]:
    """Return the names of the last layer of a head that gives every variable."""
    head = network.head
    if not isinstance(head, nn.Sequential):
        return ()
    return tuple(f"head.{len(head) - 1}.{part}" for part in ("weight", "bias"))


def _by_variable(
    values: Tensor, own: Tensor, theirs: Sequence[str], ours: Sequence[str], cells: int | None
) -> Tensor | str:
    """Return weights with the rows of the variables that both know, or why there are none.

    A head is ``[lead * cell * variable, ...]``, and that of one lead is taken for every lead; an
    embedding is of one variable after the other (``cells`` is None).
    """
    to = [place for place, name in enumerate(ours) if name in theirs]
    if not to:
        return "none of its variables is in this network's vocabulary"
    row = own.numel() // len(ours)  # of one variable; a head has one for each lead and cell
    rest = row if cells is None else own[0].numel()
    if values.shape[1:] != own.shape[1:] or values.numel() % (len(theirs) * rest):
        return f"{tuple(values.shape)} does not fit {len(theirs)} variables of {tuple(own.shape)}"
    old = values.reshape(-1, len(theirs), rest)
    new = own.detach().reshape(-1, len(ours), rest).clone()
    if len(old) not in (cells or 1, len(new)):
        return f"{tuple(values.shape)} does not fit {tuple(own.shape)}"
    at = [theirs.index(ours[place]) for place in to]
    new[:, to] = old.repeat(len(new) // len(old), 1, 1)[:, at].to(new.dtype)
    return new.reshape(own.shape)


def _said(theirs: Sequence[str], ours: Sequence[str], leads: int) -> str:
    new = [name for name in ours if name not in theirs]
    rows = f"rows of {len(ours) - len(new)} variables found by name"
    rows += f", those of one lead for each of {leads}" if leads > 1 else ""
    return rows + (f"; new: {', '.join(new)}" if new else "")
