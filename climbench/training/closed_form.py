"""Fitting a model whose weights follow from sums over the training data."""

from typing import Any

import torch
from torch import nn

from climbench.errors import UserError
from climbench.models.closed_form import ClosedForm
from climbench.models.gathered import Gathered
from climbench.tasks.sample import Sample
from climbench.training.module import FittedModule


class ClosedFormModule(FittedModule):
    """A closed-form model under ``Trainer.fit``: one epoch of sums, then one solve.

    Ranks sum their own samples; the sums are added up before the solve, so the result does not
    depend on batches or ranks, to rounding in float64.

    Parameters
    ----------
    model
        The closed form; the other parameters are those of :class:`FittedModule`.
    """

    def __init__(self, model: ClosedForm, *args: Any) -> None:
        super().__init__(model, *args)
        self.model = model
        self.automatic_optimization = False
        # Distributed strategies refuse a module without any weight that could have a gradient.
        self.anchor = nn.Parameter(torch.zeros(()))

    def configure_optimizers(self) -> None:
        """Return no optimizer."""

    def training_step(self, batch: Sample, batch_idx: int) -> None:
        """Add a batch to the sums; after the last one, solve."""
        with torch.no_grad():
            self.model.accumulate(self.normalise(batch, overwrite=True))
            if self.trainer.is_last_batch:
                for total in self.model.statistics().values():
                    total.copy_(self.trainer.strategy.reduce(total, reduce_op="sum"))
                if isinstance(self.model, Gathered) and self.trainer.world_size > 1:
                    self._gather(self.model)
                self.model.solve()

    def _gather(self, model: Gathered) -> None:
        """Give every rank the samples of all.

        Raises
        ------
        UserError
            If a model keeps them on disk.
        """
        if getattr(model, "external_memory", False):
            raise UserError(
                "option 'network.external_memory' keeps samples on the disk of one process: train "
                "with trainer.devices=1, or leave it out."
            )
        ranks: list[Any] = [None] * self.trainer.world_size
        torch.distributed.all_gather_object(ranks, model.rows)
        model.rows = [rows for rank in ranks for rows in rank]
