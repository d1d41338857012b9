"""One network for many climate models: what they share, and what tells them apart."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from climbench.errors import UserError
from climbench.models.adapted import Adapted
from climbench.models.backbone import build_backbone
from climbench.models.channels import positions
from climbench.tasks.sample import Sample, Signature

BACKBONE = "backbone."


class ClimateModelHeads(nn.Module):
    """A network that many climate models share, with a part for each of them.

    ``head``: convolutions of 1 x 1 make each climate model's fields of the shared ones.
    ``embedding``: a learned vector for each climate model is given to the network as further
    input channels, the same everywhere.

    All heads start alike, so that the mean of the trained ones is a head, too: the start for a
    climate model that is met later (see :meth:`adapt_weights`).

    Parameters
    ----------
    signature
        The question; names the climate models.
    backbone
        ``_target_`` of the shared network and its options.
    kind
        ``head`` or ``embedding``.
    size
        Width of the heads' hidden layers (32 in ClimateSet), or length of the embedding.
    rectified
        Whether the heads have rectifiers. ClimateSet's have none, and so are one matrix each.

    Raises
    ------
    UserError
        If the backbone is no network that takes a signature.

    References
    ----------
    Kaltenborn et al. (2023), ClimateSet: a large-scale climate model dataset for machine
    learning, section 5 (super emulator).
    """

    trainable_groups: ClassVar[dict[str, tuple[str, ...]]] = {"heads": ("!backbone.*",)}

    def __init__(
        self,
        signature: Signature,
        backbone: dict[str, Any],
        kind: Literal["head", "embedding"] = "head",
        size: int = 32,
        rectified: bool = True,
    ) -> None:
        super().__init__()
        self.signature = signature
        names = self.climate_models = climate_models(signature)
        self.heads, self.embedding = None, None
        asked = signature
        if kind == "head":
            self.heads = Heads(len(names), signature.leads, len(signature.targets), size, rectified)
            targets = signature.targets
            self.sorted = positions(targets, sorted(targets))
            self.given = positions(sorted(targets), targets)
        else:
            self.embedding = nn.Parameter(torch.zeros(len(names), size))
            channels = tuple(f"climate_model_embedding_{at:03}" for at in range(size))
            asked = replace(signature, inputs=signature.inputs + channels)
        self.backbone = build_backbone(type(self).__name__, backbone, asked)

    def forward(self, sample: Sample) -> Tensor:
        """Return the answer ``[batch, lead, target, latitude, longitude]``.

        Raises
        ------
        UserError
            If a sample is of a climate model that was not trained.
        """
        if bool((sample.climate_model >= len(self.climate_models)).any()):
            raise UserError(
                "the super emulator is asked for a climate model that it was not trained on: name "
                "it in option 'climate_models.train' too, or leave it out of the other splits."
            )
        if self.embedding is not None:
            vector = self.embedding[sample.climate_model]
            maps = vector[:, None, :, None, None].to(sample.inputs.dtype)
            shape = (*sample.inputs.shape[:2], -1, *sample.inputs.shape[3:])
            sample = sample._replace(inputs=torch.cat([sample.inputs, maps.expand(shape)], dim=2))
        answer: Tensor = self.backbone(sample)
        if self.heads is None:
            return answer
        shared = answer[:, :, self.sorted]
        return torch.as_tensor(self.heads(shared, sample.climate_model)[:, :, self.given])

    def adapt_weights(self, state: Mapping[str, Tensor], signature: Signature | None) -> Adapted:
        """Return another network's weights for the climate models of this one.

        A climate model that the other network knows keeps its part; another one gets the mean of
        all that it knows. Weights of a network without such parts are taken for the shared one.

        Parameters
        ----------
        state
            The weights.
        signature
            The question that the other network was built for.
        """
        if not any(name.startswith(BACKBONE) for name in state):
            ours = {name: BACKBONE + name for name in state}
            return Adapted({ours[name]: values for name, values in state.items()}, origins=ours)
        known = climate_models(signature) if signature else ()
        adapted, new = Adapted(dict(state)), [m for m in self.climate_models if m not in known]
        for name, values in state.items():
            if not name.startswith(BACKBONE) and len(values) == len(known):
                mean = values.mean(dim=0)
                rows = [
                    values[known.index(one)] if one in known else mean
                    for one in self.climate_models
                ]
                adapted.weights[name] = torch.stack(rows)
                if new:
                    adapted.changed[name] = f"mean of the climate models for {', '.join(new)}"
        return adapted


class Heads(nn.Module):
    """Three convolutions of 1 x 1 for each climate model, all of the same start.

    Parameters
    ----------
    models
        Number of climate models.
    leads, targets
        Fields of the answer, which the heads mix.
    hidden
        Width of the two hidden layers.
    rectified
        Whether rectifiers stand between them.
    """

    def __init__(self, models: int, leads: int, targets: int, hidden: int, rectified: bool) -> None:
        super().__init__()
        self.leads, self.rectified = leads, rectified
        fields = leads * targets
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for inputs, outputs in ((fields, hidden), (hidden, hidden), (hidden, fields)):
            layer = nn.Linear(inputs, outputs)
            self.weights.append(layer.weight.detach().repeat(models, 1, 1))
            self.biases.append(layer.bias.detach().repeat(models, 1))

    def forward(self, answer: Tensor, climate_model: Tensor) -> Tensor:
        """Return the answers of climate models.

        Parameters
        ----------
        answer
            ``[batch, lead, target, latitude, longitude]``.
        climate_model
            Which head answers ``[batch]``.

        Returns
        -------
        torch.Tensor
            Like ``answer``.
        """
        cells = answer.flatten(3).flatten(1, 2)  # [batch, field, cell]
        for depth, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            if depth and self.rectified:
                cells = cells.relu()
            cells = torch.baddbmm(bias[climate_model, :, None], weight[climate_model], cells)
        return cells.reshape(answer.shape)


def climate_models(signature: Signature) -> tuple[str, ...]:
    """Return the climate models of a signature; one without a name where it names none."""
    return signature.climate_models or ("",)
