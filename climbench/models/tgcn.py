"""T-GCN: a recurrent unit whose gates look at the neighbours."""

from typing import Literal

import torch
from torch import Tensor, nn

from climbench.models.station_graphs import GRAPHS, symmetric_normalised
from climbench.models.station_parts import StationInput, StationOutput
from climbench.tasks.sample import Sample, Signature


class TGCN(nn.Module):
    r"""Gated recurrent unit over a graph convolution of each step.

    .. math::

        f(X) &= \sigma(\hat A\, \mathrm{ReLU}(\hat A X W_0)\, W_1), \quad
            \hat A = D^{-1/2} (A + I) D^{-1/2} \\
        u_t, r_t &= \sigma(W [f(X_t), h_{t-1}] + b), \quad
            c_t = \tanh(W_c [f(X_t), r_t h_{t-1}] + b_c) \\
        h_t &= u_t h_{t-1} + (1 - u_t) c_t

    Parameters
    ----------
    signature
        The question.
    hidden
        Width of the state: 64 there.
    graph
        By ``distance``, ``neighbours`` or ``similarity`` of the stations.

    Raises
    ------
    UserError
        If the place of a station is not known.

    References
    ----------
    Zhao et al. (2020), T-GCN: a temporal graph convolutional network for traffic prediction, IEEE
    Trans. Intell. Transp. Syst. 21, equations 2 to 6.
    """

    layouts = ("stations",)
    takes_missing_inputs = True

    adjacency: Tensor

    def __init__(
        self,
        signature: Signature,
        hidden: int = 64,
        graph: Literal["distance", "neighbours", "similarity"] = "distance",
    ) -> None:
        super().__init__()
        self.input = StationInput(signature)
        adjacency = symmetric_normalised(GRAPHS[graph](signature)).float()
        self.register_buffer("adjacency", adjacency, persistent=False)
        self.first = nn.Linear(self.input.each_step, hidden, bias=False)
        self.second = nn.Linear(hidden, hidden, bias=False)
        self.gates = nn.Linear(2 * hidden, 2 * hidden)
        self.candidate = nn.Linear(2 * hidden, hidden)
        self.mix = nn.Sequential(nn.Linear(hidden + self.input.once, hidden), nn.ReLU())
        self.output = StationOutput(signature, hidden)

    def forward(self, sample: Sample) -> Tensor:
        """Return ``[batch, lead, target, 1, station]``."""
        seen = self.neighbourhood(self.input.steps(sample))
        state = torch.zeros_like(seen[:, 0])
        for step in seen.unbind(dim=1):
            update, reset = self.gates(torch.cat([step, state], -1)).sigmoid().chunk(2, dim=-1)
            fresh = self.candidate(torch.cat([step, reset * state], -1)).tanh()
            state = update * state + (1 - update) * fresh
        mixed = self.mix(torch.cat([state, self.input.still(sample)], dim=-1))
        answer: Tensor = self.output(mixed, sample)
        return answer

    def neighbourhood(self, steps: Tensor) -> Tensor:
        """Return the two-layer graph convolution of each step ``[..., station, hidden]``."""
        near = (self.adjacency @ self.first(steps)).relu()
        return torch.as_tensor((self.adjacency @ self.second(near)).sigmoid())
