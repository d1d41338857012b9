"""The Lightning module that every model is: physical units outside, normalised inside."""

from collections.abc import Sequence
from typing import Any, cast

import lightning as L
import torch
from torch import Tensor, nn

from climbench.errors import UserError
from climbench.models.resizing import input_resize
from climbench.tasks.sample import Sample, Signature
from climbench.tasks.task import Normalisation
from climbench.training.losses import MeanSquaredError, row_weights


class FittedModule(L.LightningModule):  # type: ignore[misc]  # lightning is not typed here
    """A network with the scaling of its channels.

    Inputs on a grid of their own are interpolated bilinearly to that of the targets before the
    network sees them, unless it says ``takes_coarse_inputs = True``.

    Parameters
    ----------
    network
        Maps normalised samples to normalised targets.
    signature
        The question that it answers.
    normalisation
        Scaling of every channel of the signature.
    record
        What a checkpoint says about itself: plain values.
    criterion
        The loss of an answer and a sample; by default the mean squared error.
    """

    weights: Tensor

    def __init__(
        self,
        network: nn.Module,
        signature: Signature,
        normalisation: Normalisation,
        record: dict[str, Any],
        criterion: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.takes_missing = bool(getattr(network, "takes_missing_inputs", False))
        self.signature = signature
        self.normalisation = normalisation
        self.record = record
        self.criterion = MeanSquaredError(signature) if criterion is None else criterion
        if hasattr(network, "loss") and not isinstance(self.criterion, MeanSquaredError):
            raise UserError(
                f"'{type(network).__name__}' has a loss of its own, which takes its weights from "
                "option 'loss': use one of climbench.training.losses, or leave the option out."
            )
        self.register_buffer("weights", row_weights(signature.latitude), persistent=False)
        for part in ("inputs", "forcings", "static", "targets"):
            self._register_scale(part, getattr(signature, part))
        as_they_are = not signature.input_latitude or getattr(network, "takes_coarse_inputs", False)
        self.resize = None if as_they_are else input_resize(signature)

    def _register_scale(self, part: str, channels: Sequence[str]) -> None:
        for name, values in zip(("mean", "std"), self.normalisation.scale(channels), strict=True):
            column = torch.from_numpy(values).float()[:, None, None]
            self.register_buffer(f"{part}_{name}", column, persistent=False)

    def normalise(self, sample: Sample, overwrite: bool = False) -> Sample:
        """Return the sample in normalised units, as the network sees it.

        Missing values (NaN) of all but the targets become 0, the training mean; those of inputs
        stay for a network that ``takes_missing_inputs``. With ``overwrite`` no second copy of a
        large batch is made: what came from the loader is of no further use.
        """
        parts = {}
        for part in ("inputs", "forcings", "static", "targets"):
            fields = getattr(sample, part)
            own = overwrite and part != "static" and fields.is_contiguous()
            mean = getattr(self, f"{part}_mean")
            centred = fields.sub_(mean) if own else fields - mean
            parts[part] = centred.div_(getattr(self, f"{part}_std"))
        if self.resize is not None:
            parts["inputs"] = self.resize.valid(parts["inputs"])
        filled = ("forcings", "static") if self.takes_missing else ("inputs", "forcings", "static")
        for part in filled:
            parts[part] = parts[part].nan_to_num_(0.0, torch.inf, -torch.inf)
        return sample._replace(**parts)

    def forward(self, sample: Sample) -> Tensor:
        """Return the answer to a sample, both in physical units, float32.

        Of a model that draws members it is what they have in the mean: deterministic scores are
        of it.

        Returns
        -------
        torch.Tensor
            ``[batch, lead, target, latitude, longitude]``.
        """
        answer = self.network(self.normalise(sample)).float()
        return torch.as_tensor(answer * self.targets_std + self.targets_mean)

    @property
    def members(self) -> int:
        """Size of the ensemble that the network draws; 0 where it gives one answer."""
        return int(getattr(self.network, "members", 0))

    def draw(self, sample: Sample, member: int) -> Tensor:
        """Return the answer of one member of an ensemble, shaped and scaled like :meth:`forward`.

        The same member answers the same, whatever it was asked before.
        """
        draw = cast(Any, self.network).draw
        answer = draw(self.normalise(sample), member).float()
        return torch.as_tensor(answer * self.targets_std + self.targets_mean)

    def loss(self, sample: Sample) -> Tensor:
        """Return the loss of a normalised sample: the network's own, or the criterion's."""
        if hasattr(self.network, "loss"):
            weights = cast(Any, self.criterion).weights_of(sample)
            return torch.as_tensor(cast(Any, self.network).loss(sample, weights))
        return torch.as_tensor(self.criterion(self.network(sample), sample))

    def predict_step(self, batch: Sample, batch_idx: int) -> Tensor:
        """Return the answer to a batch in physical units."""
        return self.forward(batch)

    def validation_step(self, batch: Sample, batch_idx: int) -> None:
        """Log the loss; its mean over the split does not depend on batches or ranks."""
        loss = self.loss(self.normalise(batch, overwrite=True))
        size: Any = len(batch.targets)
        missing = torch.isnan(batch.targets)
        if missing.any():
            size *= 1.0 - float((missing * self.weights).mean())
        self.log("validation/loss", loss, batch_size=size, sync_dist=True, prog_bar=True)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Let Lightning's checkpoints, too, say what they are."""
        checkpoint["climbench"] = self.record
