"""SimVP and TAU: frames are encoded one by one, and a translator turns past into future frames."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax

from climbench.models.channels import NetworkOutput
from climbench.models.ensemble_losses import mean_over_valid
from climbench.models.frames import Decoder, Encoder, FrameInput
from climbench.models.padding import Edges
from climbench.models.translators import Kind, translator
from climbench.tasks.sample import Sample, Signature

TEMPERATURE = 0.1  # of the softmax over cells in TAU's regularisation


class SimVP(nn.Module):
    """Encode each frame, mix the stack of all frames by convolutions, decode each frame.

    The published network answers as many frames as it is given. Here the translator's last map
    leads from the frames given to any number of leads; and the first layer's maps, which skip
    the translator from each frame to the one of the same number, go through a learned linear map
    from steps to leads where the numbers differ (at first: the last step for every lead).
    Convolutions go round the globe instead of over zeros at the edges; grids with odd sides are
    cut back after each doubling. Frames also hold what is known beside the inputs, the lead time
    among it.

    Parameters
    ----------
    signature
        The question.
    frame_channels, frame_layers
        Width and number of the encoder's convolutions; every second halves the grid.
    hidden_channels, blocks
        Width and depth of the translator.
    kind
        ``gsta`` (SimVPv2), ``tau`` or ``inception`` (SimVPv1).
    mlp_ratio, dropout, drop_path
        As in :class:`climbench.models.translators.AttentionBlock`; not of ``inception``.
    calendar, coordinates, residual
        As in :class:`climbench.models.resnet.ResNet`.

    Raises
    ------
    UserError
        If the kind is unknown, or a number too small.

    References
    ----------
    Gao et al. (2022), SimVP: simpler yet better video prediction; Tan et al. (2022), SimVP:
    towards simple yet powerful spatiotemporal predictive learning; Tan et al. (2023), OpenSTL.
    """

    def __init__(
        self,
        signature: Signature,
        frame_channels: int = 32,
        frame_layers: int = 2,
        hidden_channels: int = 256,
        blocks: int = 8,
        kind: Kind = "gsta",
        mlp_ratio: float = 8.0,
        dropout: float = 0.0,
        drop_path: float = 0.1,
        calendar: bool = False,
        coordinates: bool = False,
        residual: bool = False,
    ) -> None:
        super().__init__()
        edges = Edges.of(signature.latitude, signature.longitude)
        history, leads = signature.history, signature.leads
        self.input = FrameInput(signature, calendar=calendar, coordinates=coordinates)
        self.output = NetworkOutput(signature, residual=residual)
        self.encoder = Encoder(self.input.count, frame_channels, frame_layers, edges)
        self.translator = translator(
            kind,
            history * frame_channels,
            hidden_channels,
            leads * frame_channels,
            blocks,
            edges if frame_layers < 2 else edges.coarser(),
            mlp_ratio,
            dropout,
            drop_path,
        )
        self.skip = nn.Identity() if history == leads else last_step(history, leads)
        self.decoder = Decoder(
            len(signature.targets), frame_channels, frame_layers, edges, signature.shape, residual
        )

    def forward(self, sample: Sample) -> Tensor:
        """Return the answer ``[batch, lead, target, latitude, longitude]``."""
        frames = self.input(sample)
        batch, history = frames.shape[:2]
        encoded = self.encoder(frames.flatten(0, 1))
        stack = encoded[-1].unflatten(0, (batch, history)).flatten(1, 2)
        future = self.translator(stack).unflatten(1, (-1, encoded[-1].shape[1])).flatten(0, 1)
        first = encoded[0].unflatten(0, (batch, history))
        skipped = self.skip(first.movedim(1, -1)).movedim(-1, 1).flatten(0, 1)
        maps = self.decoder(future, skipped).unflatten(0, (batch, -1)).flatten(1, 2)
        answer: Tensor = self.output(maps, sample)
        return answer


class TAU(SimVP):
    """SimVP with the temporal attention unit and its loss.

    Parameters
    ----------
    signature
        The question.
    divergence
        Weight of :func:`differential_divergence` beside the mean squared error; 0.1 in Tan et al.
    options
        Those of :class:`SimVP` but the kind.

    References
    ----------
    Tan et al. (2023), Temporal attention unit: towards efficient spatiotemporal predictive
    learning.
    """

    def __init__(self, signature: Signature, divergence: float = 0.1, **options: Any) -> None:
        super().__init__(signature, kind="tau", **options)
        self.divergence = divergence

    def loss(self, sample: Sample, weights: Tensor) -> Tensor:
        """Return the weighted squared error plus the divergence of the changes between leads."""
        answer = self(sample).float()
        errors = (answer - sample.targets.nan_to_num()).square()
        error = mean_over_valid(errors, sample.targets, weights)
        return error + self.divergence * differential_divergence(answer, sample.targets)


def differential_divergence(answer: Tensor, truth: Tensor) -> Tensor:
    r"""Return how different the changes from lead to lead are distributed over the cells.

    .. math:: L = \frac{1}{N} \sum_{n} \sum_{j} \sigma(\Delta \hat y)_{nj}
       \log \frac{\sigma(\Delta \hat y)_{nj}}{\sigma(\Delta y)_{nj}}

    with the softmax :math:`\sigma` over all channels and cells of a difference of two leads, at a
    temperature of 0.1, and :math:`n` over samples, differences and cells. Zero where there is one
    lead, or a truth of the difference is missing.

    Parameters
    ----------
    answer, truth
        Normalised ``[batch, lead, target, latitude, longitude]``.

    Returns
    -------
    torch.Tensor
        Scalar.

    References
    ----------
    Tan et al. (2023), Temporal attention unit, equations 9 to 11.
    """
    changes, expected = (fields.diff(dim=1).flatten(2) / TEMPERATURE for fields in (answer, truth))
    known = expected.isfinite().all(dim=2)
    # Logarithms of both, as shares of far cells underflow and their logarithm has no gradient.
    changes = log_softmax(changes, dim=2)
    expected = log_softmax(expected.nan_to_num(), dim=2)
    terms = (changes.exp() * (changes - expected)).mean(dim=2)
    return (terms * known).sum() / known.sum().clamp(min=1)


def last_step(history: int, leads: int) -> nn.Linear:
    """Return a linear map from steps to leads that gives every lead the last step at first."""
    layer = nn.Linear(history, leads, bias=False)
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[:, -1] = 1.0
    return layer
