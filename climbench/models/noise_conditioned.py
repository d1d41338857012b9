"""An ensemble of one network: noise modulates its layers, and the CRPS teaches it what to do."""

from typing import Any

import torch
from torch import Tensor, nn

from climbench.errors import UserError
from climbench.models.backbone import build_plain_backbone, check_members, with_inputs, with_maps
from climbench.models.conditional_norm import ConditionedBackbone
from climbench.models.ensemble_losses import almost_fair_crps, mean_over_valid
from climbench.models.noise import normal, repeat
from climbench.tasks.sample import Sample, Signature


class NoiseConditioned(nn.Module):
    """A network that turns noise into members, trained on the almost fair CRPS.

    A vector of normal noise for each sample and member sets scale and shift of all normalisation
    layers (FGN: 32 numbers for the whole globe, so that members differ by coherent patterns, not
    cell by cell). Maps of noise may be given as further inputs, for backbones without
    normalisation or where errors have smaller scales than few numbers can tell. In training each
    sample is answered ``training_members`` times in one batch. ``forward`` is the mean over the
    members. In a forecast by steps every step of a member has noise of its own.

    AIFS-CRPS draws noise for every node of its processor, FGN a vector alone; here the learned
    gains of the backbone stay beside the modulation.

    Parameters
    ----------
    signature
        The question.
    backbone
        ``_target_`` of the network and its options.
    noise
        Length of the vector.
    noise_maps
        Further inputs of normal noise, independent from cell to cell.
    members
        Size of the ensemble that is drawn.
    training_members
        Answers to each sample in training: 2 in FGN, 2 to 4 in AIFS-CRPS.
    alpha
        Share of the fair CRPS, see :func:`climbench.models.ensemble_losses.almost_fair_crps`.

    Raises
    ------
    UserError
        If noise cannot enter the backbone, the backbone has a loss of its own, or an option is
        out of range.

    References
    ----------
    Lang et al. (2024), AIFS-CRPS, arXiv:2412.15832; Alet et al. (2025), Skillful joint
    probabilistic weather forecasting from marginals (FGN), arXiv:2506.10772.
    """

    forward_is_mean_of_members = True

    def __init__(
        self,
        signature: Signature,
        backbone: dict[str, Any],
        noise: int = 32,
        noise_maps: int = 0,
        members: int = 8,
        training_members: int = 2,
        alpha: float = 0.95,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        self.members = check_members(name, members, least=2)
        if training_members < 2 or not 0 <= alpha <= 1 or noise < 1 or noise_maps < 0:
            raise UserError(
                f"{name}: options training_members = {training_members} (2 or more), alpha = "
                f"{alpha} (0 to 1), noise = {noise} (1 or more) or noise_maps = {noise_maps} "
                "(0 or more) is out of range."
            )
        self.training_members, self.alpha = training_members, alpha
        self.noise, self.maps = noise, (noise_maps, *signature.shape)
        maps = tuple(f"noise_map_{number:03}" for number in range(noise_maps))
        network = build_plain_backbone(name, backbone, with_inputs(signature, maps))
        self.backbone = ConditionedBackbone(network, noise)
        if not self.backbone.layers and not noise_maps:
            raise UserError(
                f"{name}: the backbone '{backbone['_target_']}' has no normalisation layer that "
                "noise could modulate: set option 'noise_maps' to 1 or more."
            )

    def forward(self, sample: Sample) -> Tensor:
        """Return the mean over the members ``[batch, lead, target, latitude, longitude]``."""
        total = self.draw(sample, 0)
        for member in range(1, self.members):
            total = total + self.draw(sample, member)
        return total / self.members

    def draw(self, sample: Sample, member: int) -> Tensor:
        """Return the answer of one member, shaped like :meth:`forward`."""
        return self.answer(sample, normal(sample, member, (self.numbers,)))

    def loss(self, sample: Sample, weights: Tensor) -> Tensor:
        """Return the almost fair CRPS, weighted by ``weights`` of the rows."""
        count = self.training_members
        if self.training:
            shape = (count * len(sample.inputs), self.numbers)
            drawn = torch.randn(shape, device=sample.inputs.device)
        else:  # the same at every validation
            drawn = torch.cat([normal(sample, member, (self.numbers,)) for member in range(count)])
        members = self.answer(repeat(sample, count), drawn).float()
        members = members.reshape(count, *sample.targets.shape)
        scores = almost_fair_crps(members, sample.targets.nan_to_num(), self.alpha)
        return mean_over_valid(scores, sample.targets, weights)

    @property
    def numbers(self) -> int:
        """How many normal numbers make a member of a sample."""
        count, rows, columns = self.maps
        return self.noise + count * rows * columns

    def answer(self, sample: Sample, drawn: Tensor) -> Tensor:
        """Return answers under noise ``[batch, number]``: the vector, then the maps."""
        maps = drawn[:, self.noise :].reshape(len(drawn), *self.maps)
        answer: Tensor = self.backbone(with_maps(sample, maps), drawn[:, : self.noise])
        return answer
