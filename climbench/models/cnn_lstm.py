"""ClimateBench's CNN-LSTM: a few numbers for each year, a memory of years, a map."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from climbench.models.channels import NetworkInput, NetworkOutput, each_step
from climbench.models.padding import Edges, GlobeConv2d
from climbench.tasks.sample import Sample, Signature


class CNNLSTM(nn.Module):
    """Convolve each year's maps, average over the globe, remember over the years, draw a map.

    The published network averages in blocks of 2 x 2 and then over the blocks; on grids with
    even sides that is the plain average over all cells which is taken here. It also pads with
    zeros where this one goes round the globe. Each target has its own rows of the dense layer
    and shares the rest; the published scores are those of one network for each variable.

    Parameters
    ----------
    signature
        The question; the published history is 10 years.
    filters
        Maps of the 3 x 3 convolution.
    hidden
        Units of the recurrent layer.

    References
    ----------
    Watson-Parris et al. (2022), ClimateBench v1.0, section 4.2.
    """

    def __init__(self, signature: Signature, filters: int = 20, hidden: int = 25) -> None:
        super().__init__()
        self.shape = signature.shape
        self.input = NetworkInput(
            replace(signature, history=1), lead_time=False, calendar=False, coordinates=False
        )
        self.output = NetworkOutput(signature, residual=False)
        edges = Edges.of(signature.latitude, signature.longitude)
        self.convolution = GlobeConv2d(self.input.count, filters, 3, edges)
        self.memory = RectifiedLSTM(filters, hidden)
        rows, columns = signature.shape
        self.head = nn.Linear(hidden, self.output.count * rows * columns)
        for layer in (self.convolution, self.head):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, sample: Sample) -> Tensor:
        """Return the answer ``[batch, lead, target, latitude, longitude]``."""
        batch, history = sample.inputs.shape[:2]
        maps = self.convolution(self.input(each_step(sample))).relu()
        years = maps.mean(dim=(2, 3)).unflatten(0, (batch, history))
        maps = self.head(self.memory(years)).unflatten(1, (self.output.count, *self.shape))
        answer: Tensor = self.output(maps, sample)
        return answer


class RectifiedLSTM(nn.Module):
    r"""A long short-term memory with rectifiers in the place of the hyperbolic tangents.

    .. math:: c_t = \sigma(f_t)\,c_{t-1} + \sigma(i_t)\,\mathrm{relu}(g_t), \qquad
       h_t = \sigma(o_t)\,\mathrm{relu}(c_t)

    with :math:`(i, f, g, o)_t = W x_t + U h_{t-1} + b`. There is one bias, and that of the
    forget gate starts at 1, as in Keras; torch's layer has two biases and no rectifier.

    Parameters
    ----------
    inputs
        Length of a step's vector.
    hidden
        Length of the memory.
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.step = nn.Linear(inputs, 4 * hidden)
        self.recurrent = nn.Linear(hidden, 4 * hidden, bias=False)
        nn.init.xavier_uniform_(self.step.weight)
        nn.init.orthogonal_(self.recurrent.weight)
        nn.init.zeros_(self.step.bias)
        with torch.no_grad():
            self.step.bias[hidden : 2 * hidden] = 1.0

    def forward(self, steps: Tensor) -> Tensor:
        """Return the last output ``[batch, hidden]`` of steps ``[batch, step, inputs]``."""
        output = cell = steps.new_zeros(len(steps), self.hidden)
        for step in self.step(steps).unbind(1):
            gates = (step + self.recurrent(output)).chunk(4, dim=1)
            enter, forget, candidate, leave = gates
            cell = forget.sigmoid() * cell + enter.sigmoid() * candidate.relu()
            output = leave.sigmoid() * cell.relu()
        return output
