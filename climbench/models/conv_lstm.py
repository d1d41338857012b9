"""ConvLSTM: a recurrent network of maps that reads the past and goes on by itself."""

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from climbench.errors import UserError
from climbench.models.channels import NetworkInput, NetworkOutput
from climbench.models.padding import Edges, GlobeConv2d, pad
from climbench.tasks.sample import Sample, Signature

State = list[tuple[Tensor, Tensor]]


class ConvLSTM(nn.Module):
    """Read frame after frame, then answer lead after lead, fed with its own last answer.

    Cells are stacked; the same cells read and forecast. After the last frame of the history the
    top cell's output is the answer to the first lead; each further lead is a further step, whose
    frame is that answer. So histories of any length and any number of leads need the same
    weights. A frame holds what a network sees of one time: the inputs (where an answer takes
    their place: its targets; other inputs stay as they were last), the forcings at the lead, the
    static fields, the lead time, which tells how far apart the leads are. While the past is read,
    forcings and lead time are those of the first lead.

    As in OpenSTL, cells have neither the peepholes of Shi et al. nor biases, and a frame is cut
    into patches whose cells become channels. While trained it is also fed with its own answers,
    where OpenSTL begins with the truth (scheduled sampling). Convolutions go round the globe;
    across a pole, patches are mirrored as wholes. Grids that the patch does not divide are
    extended to the north and east, and cut back.

    Parameters
    ----------
    signature
        The question.
    hidden_channels
        Width of each cell, the first is the lowest.
    kernel
        Side of the convolutions, odd.
    patch_size
        Rows and columns of a patch: 2 at 5.625 degrees and 4 at 1.40625 degrees in OpenSTL.
    calendar, coordinates, residual
        As in :class:`climbench.models.resnet.ResNet`; the change is that from lead to lead.

    Raises
    ------
    UserError
        If there is no cell, or the kernel is even.

    References
    ----------
    Shi et al. (2015), Convolutional LSTM network: a machine learning approach for precipitation
    nowcasting, equation 3; Tan et al. (2023), OpenSTL.
    """

    def __init__(
        self,
        signature: Signature,
        hidden_channels: tuple[int, ...] = (128, 128, 128, 128),
        kernel: int = 5,
        patch_size: int = 2,
        calendar: bool = False,
        coordinates: bool = False,
        residual: bool = False,
    ) -> None:
        super().__init__()
        if not hidden_channels or kernel % 2 == 0:
            raise UserError(
                f"ConvLSTM: hidden_channels = {list(hidden_channels)} and kernel = {kernel}: give "
                "at least one width and an odd kernel."
            )
        self.signature, self.patch_size = signature, patch_size
        step = replace(signature, history=1, leads=1, input_hours=())  # on from each frame
        self.input = NetworkInput(step, lead_time=True, calendar=calendar, coordinates=coordinates)
        self.output = NetworkOutput(step, residual=residual)
        self.edges = Edges.of(signature.latitude, signature.longitude)
        edges = self.edges if patch_size == 1 else self.edges.coarser()
        widths = (self.input.count * patch_size**2, *hidden_channels)
        self.cells = nn.ModuleList(
            Cell(below, width, kernel, edges)
            for below, width in zip(widths, hidden_channels, strict=False)
        )
        self.head = nn.Conv2d(widths[-1], self.output.count * patch_size**2, 1, bias=False)
        if residual:
            nn.init.zeros_(self.head.weight)

    def forward(self, sample: Sample) -> Tensor:
        """Return the answer ``[batch, lead, target, latitude, longitude]``."""
        state: State = []
        *past, last = torch.split(sample.inputs, 1, dim=1)
        for frame in past:
            state = self._step(sample.at_lead(0)._replace(inputs=frame), state)
        answers: list[Tensor] = []
        for lead in range(sample.lead_time.shape[1]):
            if lead:
                last = self._as_input(last, answers[-1])
            asked = sample.at_lead(lead)._replace(inputs=last)
            state = self._step(asked, state)
            answers.append(self._answer(asked, state))
        return torch.cat(answers, dim=1)

    def _step(self, sample: Sample, state: State) -> State:
        """Return (output, memory) of each cell after a frame."""
        rows, columns = self.signature.shape
        beyond = (0, -rows % self.patch_size), (0, -columns % self.patch_size)
        fields = pixel_unshuffle(pad(self.input(sample), self.edges, *beyond), self.patch_size)
        after: State = []
        for number, cell in enumerate(self.cells):
            after.append(cell(fields, state[number] if state else None))
            fields = after[-1][0]
        return after

    def _answer(self, sample: Sample, state: State) -> Tensor:
        rows, columns = self.signature.shape
        maps = pixel_shuffle(self.head(state[-1][0]), self.patch_size)[..., :rows, :columns]
        answer: Tensor = self.output(maps, sample)
        return answer

    def _as_input(self, frame: Tensor, answer: Tensor) -> Tensor:
        """Return the frame with the answer in the place of those inputs that are targets."""
        targets = self.signature.targets
        fields = [
            answer[:, :, targets.index(name)] if name in targets else frame[:, :, place]
            for place, name in enumerate(self.signature.inputs)
        ]
        return torch.stack(fields, dim=2)


class Cell(nn.Module):
    r"""One long short-term memory whose weights are convolutions.

    .. math:: c_t = \sigma(f_t)\,c_{t-1} + \sigma(i_t) \tanh(g_t), \qquad
       h_t = \sigma(o_t) \tanh(c_t), \qquad (i, f, g, o)_t = W * x_t + U * h_{t-1}

    Parameters
    ----------
    inputs, hidden
        Channels of the frame, and of output and memory.
    kernel, edges
        Of the convolutions and the grid.
    """

    def __init__(self, inputs: int, hidden: int, kernel: int, edges: Edges) -> None:
        super().__init__()
        self.enter = GlobeConv2d(inputs, 4 * hidden, kernel, edges, bias=False)
        self.recur = GlobeConv2d(hidden, 4 * hidden, kernel, edges, bias=False)

    def forward(self, frame: Tensor, state: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor]:
        """Return output and memory ``[batch, hidden, latitude, longitude]``; at first zero."""
        if state is None:
            zero = frame.new_zeros(len(frame), self.recur.in_channels, *frame.shape[2:])
            state = zero, zero
        output, memory = state
        gates = self.enter(frame) + self.recur(output)
        enter, forget, candidate, leave = gates.chunk(4, dim=1)
        memory = forget.sigmoid() * memory + enter.sigmoid() * candidate.tanh()
        return leave.sigmoid() * memory.tanh(), memory
