"""The contract notices models that break it."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from climbench.tasks.sample import Sample, Signature
from climbench.testing.model_contract import CHECKS, GLOBAL, check_model


class LastInput(nn.Module):
    """A sound little model, spoilt by ``flaw`` in one way at a time."""

    def __init__(self, signature: Signature, flaw: Callable[[Tensor, Sample], Tensor]) -> None:
        super().__init__()
        self.places = [signature.inputs.index(name) for name in signature.targets]
        self.leads = signature.leads
        self.scale = nn.Parameter(torch.ones(()))
        self.longitude_equivariant = signature.periodic
        self.flaw = flaw

    def forward(self, sample: Sample) -> Tensor:
        last = self.scale * sample.inputs[:, -1:, self.places]
        return self.flaw(last.expand(-1, self.leads, -1, -1, -1), sample)


def sound(answer: Tensor, sample: Sample) -> Tensor:
    return answer


FLAWS: dict[str, Callable[[Tensor, Sample], Tensor]] = {
    "shape": lambda answer, sample: answer[:, :1],
    "determinism": lambda answer, sample: answer + torch.rand(()),
    "batch": lambda answer, sample: answer - answer.mean(0),
    "gradient": lambda answer, sample: answer.detach() + 0 * answer,
    "longitude": lambda answer, sample: answer * torch.arange(answer.shape[-1]),
    "names": lambda answer, sample: answer + sample.inputs[:, -1:, :1],
}


def test_a_sound_model_passes():
    check_model(lambda signature: LastInput(signature, sound))


@pytest.mark.parametrize("name", FLAWS)
def test_each_flaw_is_noticed(name):
    with pytest.raises(AssertionError, match="model contract: "):
        CHECKS[name](lambda signature: LastInput(signature, FLAWS[name]), GLOBAL)


def test_values_that_are_not_finite_are_noticed():
    with pytest.raises(AssertionError, match="not finite"):
        CHECKS["shape"](lambda signature: LastInput(signature, lambda a, s: a / 0), GLOBAL)


def test_state_that_is_not_saved_is_noticed():
    class Forgetful(LastInput):
        def __init__(self, signature: Signature) -> None:
            super().__init__(signature, sound)
            self.offset = float(torch.rand(()))

        def forward(self, sample: Sample) -> Tensor:
            return super().forward(sample) + self.offset

    with pytest.raises(AssertionError, match="loaded model differs"):
        CHECKS["state"](Forgetful, GLOBAL)
