"""Sums that merge, grow with their keys, and leave only coefficients in a checkpoint."""

import torch

from climbench.models.closed_form import KeyedClosedForm
from climbench.tasks.sample import Sample
from climbench.testing.model_contract import GLOBAL, random_sample


class CountByHour(KeyedClosedForm):
    """The smallest keyed model: how often each hour occurred."""

    def __init__(self) -> None:
        super().__init__(GLOBAL)
        self.register_statistic("count", 0, 1)
        self.register_buffer("result", torch.zeros(0, 1))

    def accumulate(self, sample: Sample) -> None:
        slots = self.slots(sample.hour)
        self.count.index_put_((slots, torch.zeros_like(slots)), torch.ones(1).double(), True)

    def solve(self) -> None:
        self.result = self.count.float()

    def forward(self, sample: Sample) -> torch.Tensor:
        return self.zeros(sample) + self.result.sum()


def counted(*hours: list[list[float]]) -> CountByHour:
    model = CountByHour()
    for batch in hours:
        model.accumulate(random_sample(GLOBAL, len(batch))._replace(hour=torch.tensor(batch)))
    return model


def test_keys_are_ascending_whatever_the_order_in_which_they_are_met():
    model = counted([[12.0, 12.0]], [[0.0, 18.0]], [[12.0, 6.0]])
    assert model.keys.tolist() == [0.0, 6.0, 12.0, 18.0]
    assert model.count[:, 0].tolist() == [1.0, 1.0, 3.0, 1.0]


def test_sums_of_two_passes_add_up_in_place():
    first, second = counted([[0.0, 6.0]]), counted([[6.0, 0.0], [0.0, 0.0]])
    for name, total in first.statistics().items():
        total += second.statistics()[name]
    assert first.count[:, 0].tolist() == [4.0, 2.0]


def test_a_checkpoint_holds_the_coefficients_of_any_number_of_keys_but_no_sums():
    model = counted([[0.0, 6.0]])
    model.solve()
    state = model.state_dict()
    assert set(state) == {"keys", "result"}
    other = CountByHour()
    other.load_state_dict(state)
    assert other.result.tolist() == [[1.0], [1.0]]
    again = counted([[0.0, 6.0], [0.0, 6.0], [3.0, 9.0]])
    again.load_state_dict(state)
    assert again.keys.tolist() == [0.0, 6.0]
