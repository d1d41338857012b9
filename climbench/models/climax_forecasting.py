"""ClimaX: any variables in, any of its vocabulary out, at the lead time it is told."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from climbench.models.adapted import Adapted
from climbench.models.channels import LEAD_UNIT, NetworkInput, NetworkOutput
from climbench.models.climax import FROZEN, ClimaXEncoder, waves
from climbench.models.climax_variables import CALENDAR, COORDINATES, PUBLISHED_VARIABLES, known_as
from climbench.models.climax_weights import adapt_weights
from climbench.models.vit import initialise, unpatchify
from climbench.tasks.sample import Sample, Signature


class ClimaX(nn.Module):
    """Tokens of variables found by name, one per patch, attention among patches, a head.

    Static fields and forcings are variables like the inputs. The steps of a history before the
    last, and forcings, which are of the time of a lead, are tokens of their own, with a learned
    embedding of their time added (the published network has one step and no forcings, and so no
    such embedding). The head gives every variable of the vocabulary at every lead, of which the
    targets are taken. The same weights serve any signature whose channels the vocabulary has.

    On a part of the globe the network is the published regional one, which sees the patches of
    the region alone: weights of a global network are taken with the positions of those patches,
    found by coordinates (see :meth:`adapt_weights`).

    Parameters
    ----------
    signature
        The question.
    default_vars
        The vocabulary: the 48 published variables by default. Channels of the signature that it
        lacks are put at its end, in alphabetical order.
    patch_size, embed_dim, depth, decoder_depth, num_heads, mlp_ratio, dropout, attention_dropout,
    drop_path
        As in :class:`climbench.models.vit.ViT`.
    calendar, coordinates, residual
        As in :class:`climbench.models.resnet.ResNet`; calendar and coordinates are variables of
        the vocabulary, too.

    References
    ----------
    Nguyen et al. (2023), ClimaX: a foundation model for weather and climate, sections 3 and 4.
    """

    trainable_groups: ClassVar[dict[str, tuple[str, ...]]] = {
        "frozen": FROZEN,
        "head": ("!*", "head.*"),
    }
    chosen: Tensor
    time: Tensor
    answers: Tensor
    earlier: nn.Parameter | None
    later: nn.Parameter | None

    takes_missing_inputs = True  # a variable that is NaN everywhere gets no share of attention

    def __init__(
        self,
        signature: Signature,
        default_vars: tuple[str, ...] = PUBLISHED_VARIABLES,
        patch_size: int = 2,
        embed_dim: int = 1024,
        depth: int = 8,
        decoder_depth: int = 2,
        num_heads: int = 16,
        mlp_ratio: float = 4.0,
        dropout: float = 0.1,
        attention_dropout: float = 0.0,
        drop_path: float = 0.1,
        calendar: bool = False,
        coordinates: bool = False,
        residual: bool = False,
    ) -> None:
        super().__init__()
        self.signature = signature
        self.input = NetworkInput(
            signature, lead_time=False, calendar=calendar, coordinates=coordinates
        )
        self.output = NetworkOutput(signature, residual=residual)
        further = CALENDAR * calendar + COORDINATES * coordinates
        self.vocabulary = vocabulary_of(default_vars, signature, further)
        self.encoder = ClimaXEncoder(
            signature,
            self.vocabulary,
            patch_size,
            embed_dim,
            depth,
            num_heads,
            mlp_ratio,
            dropout,
            attention_dropout,
            drop_path,
        )
        self._place_channels(further)
        self._learn_times(embed_dim)
        layers: list[nn.Module] = []
        for _ in range(decoder_depth):
            layers += [nn.Linear(embed_dim, embed_dim), nn.GELU()]
        outputs = signature.leads * patch_size**2 * len(self.vocabulary)
        self.head = nn.Sequential(*layers, nn.Linear(embed_dim, outputs))
        self.head.apply(initialise)
        if residual:
            nn.init.zeros_(self.head[-1].weight)  # type: ignore[arg-type]

    def _place_channels(self, further: tuple[str, ...]) -> None:
        """Note the variable and the time of each channel of the input, and the targets' places."""
        ask = self.signature
        inputs, forcings, static = map(sorted, (ask.inputs, ask.forcings, ask.static))
        names = inputs * ask.history + forcings * ask.leads + static + list(further)
        now = len(static) + len(further)
        times = [
            *(back for back in reversed(range(ask.history)) for _ in inputs),
            *(ask.history + lead for lead in range(ask.leads) for _ in forcings),
            *[0] * now,
        ]
        for name, places in (
            ("chosen", self._positions(names)),
            ("time", times),
            ("answers", self._positions(sorted(ask.targets))),
        ):
            self.register_buffer(name, torch.tensor(places), persistent=False)

    def _positions(self, names: Sequence[str]) -> list[int]:
        return [self.vocabulary.index(known_as(name)) for name in names]

    def _learn_times(self, width: int) -> None:
        """Make an embedding of each earlier step and of each lead that has forcings."""
        ask = self.signature
        for name, count in (
            ("earlier", ask.history - 1),
            ("later", ask.leads if ask.forcings else 0),
        ):
            table = nn.Parameter(waves(count, width)) if count else None
            self.register_parameter(name, table)

    def forward(self, sample: Sample) -> Tensor:
        """Return the answer ``[batch, lead, target, latitude, longitude]``."""
        encoder, (rows, columns) = self.encoder, self.signature.shape
        lead = encoder.lead(sample.lead_time[:, :1].to(encoder.positions.dtype) / LEAD_UNIT)
        tokens = encoder(self.input(sample), lead, self.chosen, self.times())
        cells = encoder.patch_size**2
        patches = self.head(tokens).unflatten(2, (-1, cells, len(self.vocabulary)))
        patches = patches[..., self.answers].transpose(2, 3).flatten(2)
        maps = unpatchify(patches, encoder.patches, encoder.patch_size)
        known = sample._replace(inputs=sample.inputs.nan_to_num())
        answer: Tensor = self.output(maps[..., :rows, :columns], known)
        return answer

    def times(self) -> Tensor | None:
        """Return what tells the times of the channels apart ``[channel, width]``."""
        known = [table for table in (self.earlier, self.later) if table is not None]
        if not known:
            return None
        none = known[0].new_zeros(1, known[0].shape[1])
        return torch.cat([none, *known])[self.time]

    def adapt_weights(self, state: Mapping[str, Tensor], signature: Signature | None) -> Adapted:
        """Return another network's weights as this one has them.

        Variables are found by name, positions interpolated to the place of each patch; a head of
        one lead becomes that of every lead.

        Parameters
        ----------
        state
            Weights of a network of this class or, where ``signature`` is None, of the authors'.
        signature
            The question that the other network was built for.
        """
        return adapt_weights(self, state, signature)


def vocabulary_of(
    default_vars: Sequence[str], signature: Signature, further: Sequence[str] = ()
) -> tuple[str, ...]:
    """Return the default variables, then what else a signature has, in alphabetical order.

    Examples
    --------
    >>> from climbench.testing.model_contract import REGIONAL
    >>> vocabulary_of(["orography", "temperature_850"], REGIONAL)[2:]
    ('2m_temperature', 'carbon_dioxide', 'geopotential_500')
    """
    asked = {*signature.inputs, *signature.forcings, *signature.static, *signature.targets}
    known = list(dict.fromkeys(known_as(name) for name in default_vars))
    return (*known, *sorted({known_as(n) for n in asked} - {*known}), *further)
