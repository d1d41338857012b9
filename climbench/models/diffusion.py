"""A diffusion forecaster: noise is turned, step by step, into a change of the weather."""

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn

from climbench.errors import UserError
from climbench.models.backbone import build_plain_backbone, check_members, with_inputs, with_maps
from climbench.models.channels import last_input, positions
from climbench.models.conditional_norm import ConditionedBackbone
from climbench.models.denoising import (
    loss_weight,
    noise_level,
    precondition,
    sample_by_dpm_solver,
    schedule,
)
from climbench.models.ensemble_losses import mean_over_valid
from climbench.models.noise import normal
from climbench.models.sphere_noise import SphereNoise
from climbench.tasks.sample import Sample, Signature

FREQUENCIES = 16  # of the Fourier features of a noise level, from 1/4 to 8 waves per unit


class Diffusion(nn.Module):
    """A network that takes noise away from the change of the weather since the last input.

    The changes of all leads and targets are one image, each divided by its root mean square over
    the training samples seen so far. In training it is hidden under noise of a random level, and
    the backbone, which sees the hidden image and the level beside its usual inputs, learns to
    uncover it. A member starts from noise alone and goes down a schedule of levels. ``forward``
    is the first uncovering from noise alone: what is expected when nothing of the answer is seen,
    the mean of all members, in one pass.

    As GenCast: Karras' preconditioning and weights, the distribution of noise levels, changes as
    target, noise white on the sphere, 20 levels in second order. Other than there: any backbone
    instead of a transformer on a mesh; no fresh noise on the way; levels end where the training's
    do; all leads at once where the task asks for them.

    Parameters
    ----------
    signature
        The question.
    backbone
        ``_target_`` of the network and its options; not ``residual``.
    members
        Size of the ensemble that is drawn.
    levels
        Noise levels on the way to a member: ``2 * levels - 1`` evaluations of the backbone.
    noise
        ``sphere``: white on the sphere; ``cells``: independent from cell to cell.
    lowest, highest
        Noise levels, in units of the change's deviation.
    width
        Length of the vector that tells the noise level to normalisation layers.

    Raises
    ------
    UserError
        If the backbone adds the last input itself or has a loss of its own, or an option is out
        of range.

    References
    ----------
    Price et al. (2025), Probabilistic weather forecasting with machine learning (GenCast), Nature
    637; Karras et al. (2022), Elucidating the design space of diffusion-based generative models.
    """

    def __init__(
        self,
        signature: Signature,
        backbone: dict[str, Any],
        members: int = 8,
        levels: int = 20,
        noise: Literal["sphere", "cells"] = "sphere",
        lowest: float = 0.02,
        highest: float = 88.0,
        width: int = 64,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        self.members = check_members(name, members, least=2)
        if backbone.get("residual"):
            raise UserError(
                f"{name}: set the backbone's option 'residual' to false: the change from the last "
                "input is what is denoised, it is added at the end."
            )
        if levels < 2 or not 0 < lowest < highest:
            raise UserError(
                f"{name}: options levels = {levels} (2 or more), lowest = {lowest} and highest = "
                f"{highest} (ascending, above 0) are out of range."
            )
        self.signature, self.lowest, self.highest = signature, lowest, highest
        self.levels = schedule(levels, lowest, highest)
        self.image = (signature.leads, len(signature.targets), *signature.shape)
        self.sphere = SphereNoise(signature) if noise == "sphere" else None
        hidden = tuple(
            f"hidden_{target}_{lead:03}"
            for lead in range(signature.leads)
            for target in signature.targets
        )
        network = build_plain_backbone(
            name, backbone, with_inputs(signature, (*hidden, "noise_level"))
        )
        self.backbone = ConditionedBackbone(network, width)
        self.embed = nn.Sequential(
            nn.Linear(2 * FREQUENCIES, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU()
        )
        self.embed.requires_grad_(self.backbone.layers > 0)
        self.scale = RootMeanSquare(self.image[:2])

    def forward(self, sample: Sample) -> Tensor:
        """Return what is expected ``[batch, lead, target, latitude, longitude]``."""
        sigma = torch.full_like(sample.lead_time[:, 0], self.highest)
        return self._answer(
            self.denoise(self.highest * self._noise(sample, 0), sigma, sample), sample
        )

    def draw(self, sample: Sample, member: int) -> Tensor:
        """Return one member, shaped like :meth:`forward`."""

        def denoise(fields: Tensor, level: float) -> Tensor:
            return self.denoise(fields, torch.full_like(sample.lead_time[:, 0], level), sample)

        change = sample_by_dpm_solver(denoise, self._noise(sample, member), self.levels)
        return self._answer(change, sample)

    def loss(self, sample: Sample, weights: Tensor) -> Tensor:
        """Return the weighted error of what is uncovered, alike at all noise levels."""
        change = sample.targets - last_input(self.signature, sample)
        if self.training:
            self.scale.see(change)
            share = torch.rand(len(change), device=change.device)
        else:  # the same levels at every validation
            share = torch.special.ndtr(normal(sample, 1, ()))
        clean = (change / self.scale()).nan_to_num()
        sigma = noise_level(share, self.lowest, self.highest)
        hidden = clean + _wide(sigma) * self._noise(sample, 0)
        error = (self.denoise(hidden, sigma, sample) - clean).square()
        return mean_over_valid(_wide(loss_weight(sigma)) * error, sample.targets, weights)

    def denoise(self, fields: Tensor, sigma: Tensor, sample: Sample) -> Tensor:
        """Return the expected change, scaled, of a hidden one.

        Parameters
        ----------
        fields
            ``[batch, lead, target, latitude, longitude]``.
        sigma
            Noise level ``[batch]``.
        sample
            What the weather is.
        """
        factors = precondition(sigma)
        level = factors.level[:, None, None, None].expand(-1, 1, *self.image[2:])
        shown = torch.cat([(_wide(factors.into) * fields).flatten(1, 2), level], dim=1)
        condition = self.embed(fourier_features(factors.level))
        answer = self.backbone(with_maps(sample, shown), condition).float()
        clean: Tensor = _wide(factors.skip) * fields + _wide(factors.out) * answer
        return clean

    def _answer(self, change: Tensor, sample: Sample) -> Tensor:
        answer: Tensor = last_input(self.signature, sample) + change * self.scale()
        return answer

    def _noise(self, sample: Sample, member: int) -> Tensor:
        """Return noise of variance one, shaped like the answer; fresh while training."""
        shape = self.image if self.sphere is None else (*self.image[:2], *self.sphere.coefficients)
        if self.training:
            drawn = torch.randn(len(sample.inputs), *shape, device=sample.inputs.device)
        else:
            drawn = normal(sample, member, shape)
        names = self.signature.targets  # whose order must not tell
        drawn = drawn[:, :, positions(sorted(names), names)]
        return drawn if self.sphere is None else torch.as_tensor(self.sphere(drawn))


class RootMeanSquare(nn.Module):
    """The root mean square of fields over all that were seen, one for each lead and target.

    Parameters
    ----------
    shape
        ``(lead, target)``.
    """

    squares: Tensor
    count: Tensor

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.register_buffer("squares", torch.zeros(shape, dtype=torch.float64))
        self.register_buffer("count", torch.zeros(shape, dtype=torch.float64))

    def forward(self) -> Tensor:
        """Return it ``[lead, target, 1, 1]``; 1 where nothing was seen."""
        mean = self.squares / self.count.clamp(min=1)
        root = torch.where(mean > 0, mean, 1.0).sqrt()
        return root.float()[:, :, None, None]

    def see(self, fields: Tensor) -> None:
        """Add fields ``[batch, lead, target, latitude, longitude]``; NaN are left out."""
        seen = fields.detach().double()
        self.squares += seen.square().nan_to_num().sum(dim=(0, 3, 4))
        self.count += torch.isfinite(seen).sum(dim=(0, 3, 4))


def fourier_features(level: Tensor) -> Tensor:
    """Return cosines and sines of noise levels ``[batch]`` at octave-like frequencies."""
    frequency = torch.logspace(-2, 3, FREQUENCIES, base=2.0, device=level.device)
    angle = 2 * math.pi * level[:, None] * frequency
    return torch.cat([angle.cos(), angle.sin()], dim=1)


def _wide(values: Tensor) -> Tensor:
    return values[:, None, None, None, None]
