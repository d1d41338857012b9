"""Networks inside networks: what a wrapper of any backbone needs to know about it."""

import inspect
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from climbench.config import instantiate, locate
from climbench.errors import UserError
from climbench.models.closed_form import ClosedForm
from climbench.models.ensemble_losses import mean_over_valid
from climbench.tasks.sample import Sample, Signature


def check_layout(node: Mapping[str, Any], signature: Signature) -> None:
    """Refuse a network that needs a map where there is none, and the other way round.

    Raises
    ------
    UserError
        With what the network is for, and what the task is of.
    """
    known = getattr(locate(str(node.get("_target_"))), "layouts", ("map",))
    if signature.layout not in known:
        raise UserError(
            f"{str(node['_target_']).rsplit('.', 1)[-1]} answers questions of "
            f"{' and '.join(known)}, and this task is one of {signature.layout}: "
            "`climbench list models` shows what each model is for."
        )


def build_backbone(owner: str, node: Mapping[str, Any], signature: Signature) -> nn.Module:
    """Return the network that the option ``backbone`` of a wrapper describes.

    Parameters
    ----------
    owner
        Name of the wrapper, for the sentence of the error.
    node
        ``_target_`` of the network and its options.
    signature
        What it is asked.

    Raises
    ------
    UserError
        If it takes no signature, or is not fitted by gradients.
    """
    target = node.get("_target_")
    if target is None or "signature" not in inspect.signature(locate(str(target))).parameters:
        raise UserError(
            f"{owner}: option 'backbone' with _target_ '{target}' is no network of climbench: "
            "name one that takes a 'signature', such as climbench.models.resnet.ResNet."
        )
    check_layout(node, signature)
    network = instantiate(node, signature=signature)
    if hasattr(network, "fit_first"):
        raise UserError(
            f"{owner}: option 'backbone' = '{target}' is fitted in two stages, which no wrapper "
            "does: name the network of its second stage."
        )
    if not isinstance(network, nn.Module) or isinstance(network, ClosedForm):
        raise UserError(
            f"{owner}: option 'backbone' = '{target}' has no weights that gradients fit: name a "
            "network."
        )
    return network


def build_plain_backbone(owner: str, node: Mapping[str, Any], signature: Signature) -> nn.Module:
    """Return a network that is trained by its answer alone, for a wrapper with a loss of its own.

    Parameters
    ----------
    owner, node, signature
        As in :func:`build_backbone`.

    Raises
    ------
    UserError
        As :func:`build_backbone`; or if the network has a loss of its own, such as the two stages
        of Met2Net, which the wrapper would drop without a word.
    """
    network = build_backbone(owner, node, signature)
    if hasattr(network, "loss"):
        raise UserError(
            f"{owner}: option 'backbone' = '{node['_target_']}' is trained by a loss of its own, "
            f"which that of {owner} would replace: name a network without one, or wrap it in "
            "MonteCarloDropout or DeepEnsemble, which keep it."
        )
    return network


def backbone_loss(backbone: nn.Module, sample: Sample, weights: Tensor) -> Tensor:
    """Return the backbone's own loss, or its squared error, weighted by ``weights`` of the rows."""
    own = getattr(backbone, "loss", None)
    if own is not None:
        loss: Tensor = own(sample, weights)
        return loss
    error = (backbone(sample).float() - sample.targets.nan_to_num()).square()
    return mean_over_valid(error, sample.targets, weights)


def check_members(owner: str, members: int, least: int = 1) -> int:
    """Return the size of an ensemble.

    Raises
    ------
    UserError
        If it is less than ``least``.
    """
    if members < least:
        raise UserError(f"{owner}: option 'members' = {members} must be {least} or more.")
    return members


def with_inputs(signature: Signature, names: tuple[str, ...]) -> Signature:
    """Return the question with further inputs, see :func:`with_maps`."""
    return replace(signature, inputs=signature.inputs + names)


def with_maps(sample: Sample, maps: Tensor) -> Sample:
    """Return samples that show further maps, the same at every step of the history.

    Parameters
    ----------
    sample
        Normalised.
    maps
        ``[batch, channel, latitude, longitude]``.
    """
    steps = maps[:, None].expand(-1, sample.inputs.shape[1], -1, -1, -1).to(sample.inputs)
    return sample._replace(inputs=torch.cat([sample.inputs, steps], dim=2))
