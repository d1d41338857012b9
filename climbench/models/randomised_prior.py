"""Ensembles whose members disagree where they were not trained: randomised priors."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from climbench.config import instantiate, locate
from climbench.errors import UserError, nearest
from climbench.models.backbone import check_layout
from climbench.models.hashed_noise import uniform
from climbench.tasks.sample import Sample, Signature


class PriorMember(nn.Module):
    r"""A network that is trained plus one of the same shape that is not, :math:`f + \beta p`."""

    def __init__(self, network: Mapping[str, Any], signature: Signature, scale: float) -> None:
        super().__init__()
        self.trained, self.prior = _build(network, signature), _build(network, signature)
        self.prior.requires_grad_(False)
        self.scale = scale

    def train(self, mode: bool = True) -> "PriorMember":
        """Set the mode of the trained network; the prior stays as it is used."""
        super().train(mode)
        self.prior.eval()
        return self

    def forward(self, sample: Sample) -> Tensor:
        """Return the answer ``[batch, lead, target, latitude, longitude]``."""
        answer: Tensor = self.trained(sample) + self.scale * self.prior(sample)
        return answer


class RandomisedPrior(nn.Module):
    r"""Ensemble of networks, each with a frozen random prior and its own share of the data.

    Member :math:`k` answers :math:`f_k + \beta p_k`. The prior :math:`p_k` has random weights that
    are saved but never trained; :math:`f_k` learns what is left on the samples that a hash of
    (seed, member, place in the split) gives it, the same in every epoch and batch. So members
    agree where there are data, and spread elsewhere. ``forward`` is the mean over the members.

    Parameters
    ----------
    signature
        The question.
    network
        ``_target_`` and options of the member's network, built for a signature.
    members
        Size of the ensemble: 128 in Bhouri et al.
    prior_scale
        Weight :math:`\beta` of the prior.
    share
        Share of the training samples that each member sees.
    seed
        Of the choice of samples.
    learn_from
        Climate models whose samples are learnt from, of several; by default all.

    Raises
    ------
    UserError
        If an option is out of range, a climate model is not in the task, or the network cannot be
        built for a signature.

    References
    ----------
    Osband, Aslanides and Cassirer (2018), Randomized prior functions for deep reinforcement
    learning, NeurIPS; Bhouri et al. (2023), arXiv:2309.10231.
    """

    layouts = ("map", "columns")

    def __init__(
        self,
        signature: Signature,
        network: dict[str, Any],
        members: int = 128,
        prior_scale: float = 1.0,
        share: float = 0.8,
        seed: int = 0,
        learn_from: tuple[str, ...] = (),
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if members < 1:
            raise UserError(f"{name}: option 'members' = {members} must be 1 or more")
        if not 0 < share <= 1:
            raise UserError(f"{name}: option 'share' = {share} must be above 0 and at most 1")
        self.members, self.share, self.seed = members, share, seed
        self.teachers = _places("learn_from", learn_from, signature.climate_models)
        self.ensemble = nn.ModuleList(
            PriorMember(network, signature, prior_scale) for _ in range(members)
        )

    def forward(self, sample: Sample) -> Tensor:
        """Return the mean over the members ``[batch, lead, target, latitude, longitude]``."""
        total = self.draw(sample, 0)
        for member in range(1, self.members):
            total = total + self.draw(sample, member)
        return total / self.members

    def draw(self, sample: Sample, member: int) -> Tensor:
        """Return the answer of one member, shaped like :meth:`forward`."""
        answer: Tensor = self.ensemble[member](sample)
        return answer

    def loss(self, sample: Sample, weights: Tensor) -> Tensor:
        """Return the mean over members of the error on their samples; on all when evaluated.

        Parameters
        ----------
        sample
            Normalised.
        weights
            Weight of each row, mean 1 ``[latitude, 1]``.
        """
        losses = [
            squared_error(self.draw(sample, member), sample, weights, self.seen(sample, member))
            for member in range(self.members)
        ]
        return torch.stack(losses).mean()

    def seen(self, sample: Sample, member: int) -> Tensor:
        """Return 1 for samples that a member learns from, 0 for others ``[batch]``."""
        if not self.training:
            return torch.ones_like(sample.index, dtype=torch.float32)
        chosen = uniform(sample.index, member, self.seed) < self.share
        if self.teachers.numel():
            chosen &= torch.isin(sample.climate_model, self.teachers.to(chosen.device))
        return chosen.float()


class MultiFidelityPrior(RandomisedPrior):
    r"""Randomised prior ensemble over a cheap, plentiful source and a good, scarce one.

    A member has two pairs of network and prior. The first maps the inputs to the targets of the
    low-fidelity climate models; the second sees nothing but its answer, and maps it to those of
    all others (with ``sees_inputs``, the inputs too). The loss is
    :math:`\mathrm{MSE}_\mathrm{high} + \alpha\, \mathrm{MSE}_\mathrm{low}`, each over the samples
    of its own source; no gradient of the first term reaches the first network. Every answer is
    the second network's.

    Parameters
    ----------
    signature, network, members, prior_scale, share, seed
        See :class:`RandomisedPrior`.
    refining_network
        ``_target_`` and options of the second network; by default those of ``network``.
    low_fidelity
        Climate models of low fidelity. By default none: then all samples teach both networks.
    low_fidelity_weight
        The factor :math:`\alpha`.
    sees_inputs
        Whether the second network sees the inputs beside the first one's answer.
    corrects
        Whether what the second network says is added to the first one's answer.

    Raises
    ------
    UserError
        As :class:`RandomisedPrior`, or if a climate model is not in the task or none is left.

    References
    ----------
    Bhouri et al. (2023), arXiv:2309.10231 (MF-RPN).
    """

    def __init__(
        self,
        signature: Signature,
        network: dict[str, Any],
        members: int = 128,
        prior_scale: float = 1.0,
        share: float = 0.8,
        seed: int = 0,
        refining_network: dict[str, Any] | None = None,
        low_fidelity: tuple[str, ...] = (),
        low_fidelity_weight: float = 1.0,
        sees_inputs: bool = False,
        corrects: bool = False,
    ) -> None:
        super().__init__(signature, network, members, prior_scale, share, seed)
        self.low = _places("low_fidelity", low_fidelity, signature.climate_models)
        if low_fidelity and set(low_fidelity) == set(signature.climate_models):
            raise UserError(
                "option 'low_fidelity' names all climate models of the task: leave out at least "
                "one, of high fidelity"
            )
        self.low_fidelity_weight = low_fidelity_weight
        self.sees_inputs, self.corrects = sees_inputs, corrects
        if sees_inputs and signature.history != signature.leads:
            raise UserError(
                "option 'sees_inputs' puts inputs beside answers: it needs as many steps of "
                "history as lead times."
            )
        answered = replace(
            signature,
            inputs=signature.targets + (self._others(signature) if sees_inputs else ()),
            forcings=(),
            static=(),
            history=signature.leads,
        )
        self.beside = [signature.inputs.index(name) for name in self._others(signature)]
        self.refinement = nn.ModuleList(
            PriorMember(refining_network or network, answered, prior_scale) for _ in range(members)
        )

    def draw(self, sample: Sample, member: int) -> Tensor:
        """Return the high-fidelity answer of one member, shaped like :meth:`forward`."""
        return self.refine(self.ensemble[member](sample), sample, member)

    @staticmethod
    def _others(signature: Signature) -> tuple[str, ...]:
        """Return the inputs that are no targets."""
        return tuple(name for name in signature.inputs if name not in signature.targets)

    def refine(self, first: Tensor, sample: Sample, member: int) -> Tensor:
        """Return the high-fidelity answer that follows from the low-fidelity one."""
        nothing, seen = first[:, :, :0], first
        if self.sees_inputs:
            seen = torch.cat([first, sample.inputs[:, :, self.beside].to(first)], dim=2)
        asked = sample._replace(inputs=seen, forcings=nothing, static=nothing[0, 0])
        answer: Tensor = self.refinement[member](asked)
        return first + answer if self.corrects else answer

    def loss(self, sample: Sample, weights: Tensor) -> Tensor:
        """Return the mean over members of both terms, see the class."""
        low = torch.isin(sample.climate_model, self.low.to(sample.climate_model.device)).float()
        of_low, of_high = (low, 1.0 - low) if self.low.numel() else (torch.ones_like(low),) * 2
        losses = []
        for member in range(self.members):
            first, seen = self.ensemble[member](sample), self.seen(sample, member)
            second = self.refine(first.detach(), sample, member)
            cheap = squared_error(first, sample, weights, seen * of_low)
            good = squared_error(second, sample, weights, seen * of_high)
            losses.append(good + self.low_fidelity_weight * cheap)
        return torch.stack(losses).mean()


def squared_error(answer: Tensor, sample: Sample, weights: Tensor, counts: Tensor) -> Tensor:
    """Return the latitude-weighted squared error over the samples that count, 0 if none does.

    Parameters
    ----------
    answer
        Normalised ``[batch, lead, target, latitude, longitude]``.
    sample
        Holds the truth.
    weights
        Weight of each row, mean 1 ``[latitude, 1]``.
    counts
        Weight of each sample ``[batch]``.
    """
    each = (weights * (answer.float() - sample.targets).square()).flatten(1).mean(dim=1)
    return (each * counts).sum() / counts.sum().clamp(min=1.0)


def _build(network: Mapping[str, Any], signature: Signature) -> nn.Module:
    target = str(network.get("_target_"))
    if "signature" not in inspect.signature(locate(target)).parameters:
        raise UserError(
            f"'{target}' cannot be a member of an ensemble: its constructor has no parameter "
            "'signature', take a network that has, such as climbench.models.mlp.MLP"
        )
    check_layout(network, signature)
    built = instantiate(network, signature=signature)
    if not isinstance(built, nn.Module):
        raise UserError(f"_target_ '{target}' builds no torch.nn.Module.")
    return built


def _places(option: str, names: Sequence[str], climate_models: Sequence[str]) -> Tensor:
    for name in names:
        if name not in climate_models:
            hint = nearest(name, climate_models) if climate_models else "its store has only one"
            raise UserError(
                f"option '{option}' names '{name}', which is no climate model of the task: {hint}"
            )
    return torch.tensor([list(climate_models).index(name) for name in names], dtype=torch.int64)
