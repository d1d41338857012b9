"""A closed form first, then a network that corrects its answer."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from climbench.config import instantiate
from climbench.errors import UserError
from climbench.models.backbone import build_plain_backbone, with_inputs, with_maps
from climbench.models.channels import positions
from climbench.models.closed_form import ClosedForm
from climbench.models.resizing import input_resize
from climbench.tasks.sample import Sample, Signature


class TwoStage(nn.Module):
    """A network that sees the answer of a fitted closed form as its last input.

    With the option ``residual`` the backbone starts from that answer, and learns what a regression
    cannot say: what depends on cells further away and on products of fields. The closed form is
    fitted by one pass over the training samples before the first gradient step, and stays.

    Parameters
    ----------
    signature
        The question, with one lead.
    first
        ``_target_`` of the closed form and its options.
    backbone
        ``_target_`` of the network and its options.

    Raises
    ------
    UserError
        If there are several leads, ``first`` is no closed form, or the backbone is none or has a
        loss of its own.
    """

    takes_coarse_inputs = True

    fitted: Tensor

    def __init__(
        self, signature: Signature, first: dict[str, Any], backbone: dict[str, Any]
    ) -> None:
        super().__init__()
        if signature.leads != 1:
            raise UserError(
                f"TwoStage answers one lead and the task asks for {signature.leads}: take "
                "task=downscaling or a single lead time."
            )
        closed_form = instantiate(first, signature=signature)
        if not isinstance(closed_form, ClosedForm):
            raise UserError(
                f"TwoStage: option 'first' = '{first.get('_target_')}' is fitted by gradients: "
                "name a closed form, such as climbench.models.linear_downscaling.LinearDownscaling."
            )
        self.first = closed_form
        self.resize = input_resize(signature) if signature.input_latitude else nn.Identity()
        self.enlarge = not getattr(closed_form, "takes_coarse_inputs", False)
        new = tuple(name for name in signature.targets if name not in signature.inputs)
        inner = replace(with_inputs(signature, new), input_latitude=(), input_longitude=())
        self.new, self.at = len(new), positions(inner.inputs, signature.targets)
        self.backbone = build_plain_backbone("TwoStage", backbone, inner)
        self.register_buffer("fitted", torch.tensor(False))

    def fit_first(self, samples: Iterable[Sample]) -> None:
        """Fit the closed form on normalised samples, each of them once."""
        with torch.no_grad():
            for sample in samples:
                self.first.accumulate(self._fine(sample) if self.enlarge else sample)
            self.first.solve()
        self.fitted.fill_(True)

    def forward(self, sample: Sample) -> Tensor:
        """Return the corrected answer ``[batch, lead, target, latitude, longitude]``."""
        fine = self._fine(sample)
        with torch.no_grad():
            answer = self.first(fine if self.enlarge else sample)
        blank = answer.new_zeros(len(answer), self.new, *answer.shape[3:])
        seen = with_maps(fine, blank)
        inputs = seen.inputs.clone()
        inputs[:, -1, self.at] = answer[:, 0].to(inputs)
        corrected: Tensor = self.backbone(seen._replace(inputs=inputs))
        return corrected

    def _fine(self, sample: Sample) -> Sample:
        return sample._replace(inputs=self.resize(sample.inputs))
