"""Met2Net: every variable has its own encoder and decoder, and attention mixes the variables."""

import copy
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from climbench.errors import UserError
from climbench.models.channels import NetworkInput, each_step, last_input
from climbench.models.ensemble_losses import mean_over_valid
from climbench.models.frames import Decoder, Encoder
from climbench.models.padding import Edges
from climbench.models.translators import AttentionBlock, TemporalAttention
from climbench.tasks.sample import Sample, Signature


class Met2Net(nn.Module):
    r"""Encode each variable's frames, let the variables attend to each other, decode each.

    Trained in two stages within one step. In the first, encoders :math:`E` and decoders :math:`D`
    learn to answer through a translator :math:`T_k` that stays; in the second, the translator
    :math:`T` learns to lead from the latent past to the latent future, which stay:

    .. math:: L = \| D(T_k(E(x))) - y \|^2 + \| T(\bar E(x)) - \bar E(y) \|^2, \qquad
       T_k \leftarrow m T_k + (1 - m) T

    without a gradient through :math:`\bar E`; :math:`T_k` is moved after the optimizer's step
    (:meth:`after_step`), never by a validation or a prediction. The published program keeps
    copies of encoders and decoders as well ("key"), and makes them equal to the trained ones
    before the second stage; they are those, so there are none here. It moves :math:`T_k` before
    the optimizer's step, one step earlier, and in validation too.

    The prediction is :math:`D(T(E(x)))`. As many frames are answered as there are leads, whatever
    the history: the translator's last map leads to them; published, both numbers are the same.
    A variable's frame also holds what is known beside the inputs (forcings at all leads, static
    fields, lead time, options), so an encoder sees it for past and future alike. Targets that are
    no inputs enter as zeros. With ``residual``, decoders give the change from the last input,
    and the latent future is that of the change.

    Parameters
    ----------
    signature
        The question.
    frame_channels, frame_layers
        Width and number of each encoder's convolutions; every second halves the grid.
    hidden_channels, blocks, heads
        Width and depth of the translator, and heads of its attention.
    mlp_ratio, dropout, drop_path
        As in :class:`climbench.models.translators.AttentionBlock`.
    momentum
        Share :math:`m` of itself that :math:`T_k` keeps in a step.
    calendar, coordinates, residual
        As in :class:`climbench.models.resnet.ResNet`.

    Raises
    ------
    UserError
        If the heads do not divide the width, the momentum is not between 0 and 1, or a number is
        too small.

    References
    ----------
    Li et al. (2025), Met2Net: a decoupled two-stage spatio-temporal forecasting model for complex
    meteorological systems.
    """

    def __init__(
        self,
        signature: Signature,
        frame_channels: int = 32,
        frame_layers: int = 4,
        hidden_channels: int = 256,
        blocks: int = 8,
        heads: int = 8,
        mlp_ratio: float = 4.0,
        dropout: float = 0.0,
        drop_path: float = 0.1,
        momentum: float = 0.9,
        calendar: bool = False,
        coordinates: bool = False,
        residual: bool = False,
    ) -> None:
        super().__init__()
        _check(hidden_channels, blocks, heads, momentum)
        self.signature, self.momentum, self.residual = signature, momentum, residual
        self.variables = sorted({*signature.inputs, *signature.targets})
        edges = Edges.of(signature.latitude, signature.longitude)
        self.shared = NetworkInput(
            replace(signature, inputs=(), history=1),
            lead_time=True,
            calendar=calendar,
            coordinates=coordinates,
        )
        self.encoders = nn.ModuleDict(
            {
                name: Encoder(1 + self.shared.count, frame_channels, frame_layers, edges)
                for name in self.variables
            }
        )
        self.decoders = nn.ModuleDict(
            {
                name: Decoder(
                    1, frame_channels, frame_layers, edges, signature.shape, zero=residual
                )
                for name in sorted(signature.targets)
            }
        )
        self.translator = VariableTranslator(
            signature.history * frame_channels,
            hidden_channels,
            signature.leads * frame_channels,
            blocks,
            heads,
            edges if frame_layers < 2 else edges.coarser(),
            mlp_ratio,
            dropout,
            drop_path,
        )
        self.key_translator = copy.deepcopy(self.translator).requires_grad_(False)

    def forward(self, sample: Sample) -> Tensor:
        """Return the answer ``[batch, lead, target, latitude, longitude]``."""
        return self._decode(self.translator(self._past(sample)), sample)

    def loss(self, sample: Sample, weights: Tensor) -> Tensor:
        """Return the sum of both stages' losses, see the class.

        Parameters
        ----------
        sample
            Normalised.
        weights
            Weight of each row, mean 1 ``[latitude, 1]``.
        """
        past = self._past(sample)
        errors = (
            self._decode(self.key_translator(past), sample).float() - sample.targets.nan_to_num()
        )
        answered = mean_over_valid(errors.square(), sample.targets, weights)

        with torch.no_grad():
            future, known = self._future(sample)
        latent = self.translator(past.detach())[:, self._targets()].unflatten(
            2, (self.signature.leads, -1)
        )
        apart = (torch.as_tensor(latent).float() - future).square().mean(dim=(3, 4, 5)) * known
        return torch.as_tensor(answered + apart.sum() / known.sum().clamp(min=1))

    @torch.no_grad()
    def after_step(self) -> None:
        """Move the translator that stays towards the trained one; called after optimizer steps."""
        for kept, trained in zip(
            self.key_translator.parameters(), self.translator.parameters(), strict=True
        ):
            kept.lerp_(trained, 1.0 - self.momentum)

    def _targets(self) -> list[int]:
        """Return where the targets, in alphabetical order, stand among the variables."""
        return [self.variables.index(name) for name in self.decoders]

    def _past(self, sample: Sample) -> Tensor:
        """Return the latent past ``[batch, variable, history * channel, ...]``."""
        batch, history = sample.inputs.shape[:2]
        frames = {
            name: sample.inputs[:, :, self.signature.inputs.index(name)]
            if name in self.signature.inputs
            else sample.inputs.new_zeros(batch, history, *self.signature.shape)
            for name in self.variables
        }
        return self._encode(frames, sample).flatten(2, 3)

    def _future(self, sample: Sample) -> tuple[Tensor, Tensor]:
        """Return the latent truth ``[batch, target, lead, channel, ...]`` and where it is known."""
        truth = sample.targets
        if self.residual:
            truth = truth - last_input(self.signature, sample)
        places = [self.signature.targets.index(name) for name in self.decoders]
        truth = truth[:, :, places]
        known = truth.isfinite().all(dim=(3, 4)).transpose(1, 2)
        frames = dict(zip(self.decoders, truth.nan_to_num().unbind(2), strict=True))
        return self._encode(frames, sample).float(), known

    def _encode(self, frames: dict[str, Tensor], sample: Sample) -> Tensor:
        """Return the latent maps of frames ``[batch, step, latitude, longitude]`` by variable."""
        steps = next(iter(frames.values())).shape[1]
        beside = self.shared(each_step(sample._replace(inputs=sample.inputs[:, :1, :0])))
        beside = beside.repeat_interleave(steps, dim=0)
        latent = []
        for name, frame in frames.items():
            maps = self.encoders[name](torch.cat([frame.flatten(0, 1)[:, None], beside], dim=1))
            latent.append(maps[-1].unflatten(0, (len(frame), steps)))
        return torch.stack(latent, dim=1)

    def _decode(self, latent: Tensor, sample: Sample) -> Tensor:
        """Return the answer of latent maps ``[batch, variable, lead * channel, ...]``."""
        leads = self.signature.leads
        answers = {}
        for name in self.decoders:
            maps = latent[:, self.variables.index(name)]
            frames = maps.reshape(leads * len(maps), -1, *maps.shape[2:])  # sample by sample
            fields = self.decoders[name](frames)[:, 0]
            answers[name] = fields.unflatten(0, (-1, leads))
        answer = torch.stack([answers[name] for name in self.signature.targets], dim=2)
        return last_input(self.signature, sample) + answer if self.residual else answer


def _check(hidden_channels: int, blocks: int, heads: int, momentum: float) -> None:
    if min(blocks, heads) < 1 or hidden_channels % heads:
        raise UserError(
            f"Met2Net: heads = {heads} must divide hidden_channels = {hidden_channels}, and blocks "
            f"= {blocks} be at least 1."
        )
    if not 0.0 <= momentum <= 1.0:
        raise UserError(f"Met2Net: momentum = {momentum:g} must lie between 0 and 1.")


class VariableTranslator(nn.Module):
    """Blocks of attention between the variables' latent maps ``[batch, variable, channel, ...]``.

    Parameters
    ----------
    inputs, hidden, outputs
        Channels of a variable: steps times maps of a step.
    blocks, heads
        Depth, and heads of the attention.
    edges, mlp_ratio, dropout, drop_path
        As in :class:`climbench.models.translators.AttentionBlock`.
    """

    def __init__(
        self,
        inputs: int,
        hidden: int,
        outputs: int,
        blocks: int,
        heads: int,
        edges: Edges,
        mlp_ratio: float,
        dropout: float,
        drop_path: float,
    ) -> None:
        super().__init__()
        self.enter, self.leave = nn.Conv2d(inputs, hidden, 1), nn.Conv2d(hidden, outputs, 1)
        self.blocks = nn.Sequential(
            *(
                VariableBlock(hidden, heads, edges, mlp_ratio, dropout, drop_path)
                for _ in range(blocks)
            )
        )

    def forward(self, latent: Tensor) -> Tensor:
        """Return ``[batch, variable, outputs, latitude, longitude]``."""
        variables = latent.shape[:2]
        maps = self.enter(latent.flatten(0, 1)).unflatten(0, variables)
        left = self.leave(self.blocks(maps).flatten(0, 1))
        return torch.as_tensor(left.unflatten(0, variables))


class VariableBlock(nn.Module):
    """Attention across variables, then a TAU block of each, both added and normalised.

    As in the published program, the temporal attention unit has no dynamical look: the weights of
    the channels are never reached there.
    """

    def __init__(
        self,
        channels: int,
        heads: int,
        edges: Edges,
        mlp_ratio: float,
        dropout: float,
        drop_path: float,
    ) -> None:
        super().__init__()
        self.attention = VariableAttention(channels, heads)
        self.attention_norm, self.each_norm = (nn.GroupNorm(1, channels) for _ in range(2))
        self.each = AttentionBlock(
            channels,
            partial(TemporalAttention, dynamical=False),
            edges,
            mlp_ratio,
            dropout,
            drop_path,
        )

    def forward(self, latent: Tensor) -> Tensor:
        """Return ``[batch, variable, channel, latitude, longitude]``."""
        mixed = (latent + self.attention(latent)).flatten(0, 1)
        maps = self.attention_norm(mixed)
        normal: Tensor = self.each_norm(maps + self.each(maps))
        return normal.reshape(latent.shape)


class VariableAttention(nn.Module):
    """Multi-head attention whose tokens are variables, with whole maps as their features."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.mix = (
            nn.Sequential(nn.Conv2d(channels, channels, 1, bias=False), nn.GroupNorm(1, channels))
            for _ in range(4)
        )
        self.activation = nn.SiLU()

    def forward(self, latent: Tensor) -> Tensor:
        """Return ``[batch, variable, channel, latitude, longitude]``."""
        batch, variables, channels, rows, columns = latent.shape
        maps = latent.flatten(0, 1)
        query, key, value = (
            layer(maps).reshape(batch, variables, self.heads, -1).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        seen = scaled_dot_product_attention(query, key, value).transpose(1, 2)
        answer = self.activation(self.mix(seen.reshape(-1, channels, rows, columns)))
        return torch.as_tensor(answer.reshape(latent.shape))
