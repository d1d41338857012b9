"""The spherical Fourier neural operator."""

from typing import Literal

import torch
from torch import Tensor, nn

from climbench.errors import UserError
from climbench.grids import gaussian_latitudes, is_global
from climbench.models.channels import NetworkInput, NetworkOutput
from climbench.models.spherical_harmonics import SphericalHarmonics, highest_degree
from climbench.tasks.sample import Sample, Signature


class SFNO(nn.Module):
    """Convolutions on the sphere, done in spherical harmonics, and perceptrons at each cell.

    1. A perceptron at each cell embeds the channels.
    2. Every block filters the spherical harmonics of its fields (see :class:`SphericalFilter`),
       adds a linear map of what came in, and puts a perceptron on it. The blocks work on a
       Gaussian grid that is coarser by ``scale_factor``: the first one goes down to it, the last
       one up again.
    3. A perceptron makes the answer, from the fields and (big skip) the input itself.

    This is the linear variant with Driscoll and Healy's convolution: the weights depend on the
    degree alone. As they are complex, everything but the normalisation turns with the globe about
    its own axis, not about others: for that their imaginary part would have to be zero. Where
    ``scale_factor`` is 1 the blocks work on the grid of the data itself, which its harmonics need
    not leave.

    Parameters
    ----------
    signature
        The question, on a global grid.
    embed_dim, depth
        Number of fields in each block, and number of blocks.
    scale_factor
        How much coarser the grid of the blocks is.
    mlp_ratio
        Width of the perceptrons over that of the fields.
    instance_norm
        Whether fields are normalised in each sample, after the filter.
    positions
        What is learned of places: nothing, a vector for each ``latitude``, or for each ``cell``.
    calendar, coordinates, residual
        As in :class:`climbench.models.resnet.ResNet`.

    Raises
    ------
    UserError
        If the grid is not global, or too coarse for the scale factor.

    References
    ----------
    Bonev et al. (2023), Spherical Fourier neural operators: learning stable dynamics on the
    sphere, section 4.
    """

    def __init__(
        self,
        signature: Signature,
        embed_dim: int = 384,
        depth: int = 8,
        scale_factor: int = 3,
        mlp_ratio: float = 2.0,
        instance_norm: bool = True,
        positions: Literal["none", "latitude", "cell"] = "none",
        calendar: bool = False,
        coordinates: bool = False,
        residual: bool = False,
    ) -> None:
        super().__init__()
        self.outer, self.inner = transforms(signature, scale_factor)
        self.longitude_equivariant = (
            scale_factor == 1 and positions != "cell" and not (calendar or coordinates)
        )
        self.input = NetworkInput(
            signature, lead_time=True, calendar=calendar, coordinates=coordinates
        )
        self.output = NetworkOutput(signature, residual=residual)
        hidden = int(mlp_ratio * embed_dim)
        self.encoder = perceptron(self.input.count, hidden, embed_dim)
        self.positions = position_fields(signature, embed_dim, positions)
        self.blocks = nn.ModuleList(
            SFNOBlock(embed_dim, hidden, self.inner.degree, instance_norm) for _ in range(depth)
        )
        self.decoder = perceptron(embed_dim + self.input.count, hidden, self.output.count)
        if residual:
            nn.init.zeros_(self.decoder[-1].weight)  # type: ignore[arg-type]

    def forward(self, sample: Sample) -> Tensor:
        """Return the answer ``[batch, lead, target, latitude, longitude]``."""
        channels = self.input(sample)
        fields = self.encoder(channels)
        if self.positions is not None:
            fields = fields + self.positions
        last = len(self.blocks) - 1
        for place, block in enumerate(self.blocks):
            before = self.outer if place == 0 else self.inner
            after = self.outer if place == last else self.inner
            fields = block(fields, before, after)
        answer: Tensor = self.output(self.decoder(torch.cat([fields, channels], dim=1)), sample)
        return answer


class SFNOBlock(nn.Module):
    """A spherical filter with a linear skip, and a perceptron, added to what came in."""

    def __init__(self, width: int, hidden: int, degree: int, instance_norm: bool) -> None:
        super().__init__()
        self.filter = SphericalFilter(width, degree)
        self.norm = nn.InstanceNorm2d(width, affine=True) if instance_norm else nn.Identity()
        self.skip = nn.Conv2d(width, width, 1)
        self.activation = nn.GELU()
        self.perceptron = perceptron(width, hidden, width)

    def forward(
        self, fields: Tensor, before: SphericalHarmonics, after: SphericalHarmonics
    ) -> Tensor:
        """Return fields on the grid of ``after`` from fields on the grid of ``before``."""
        modes = before.analysis(fields)
        if before is not after:
            fields = after.synthesis(modes)
        filtered = self.norm(after.synthesis(self.filter(modes)))
        return fields + torch.as_tensor(
            self.perceptron(self.activation(filtered + self.skip(fields)))
        )


class SphericalFilter(nn.Module):
    r"""A convolution on the sphere with a filter that depends on the degree alone.

    .. math:: b_l^m = W_l\, a_l^m

    with a complex matrix :math:`W_l` between channels for each degree.

    References
    ----------
    Driscoll and Healy (1994), theorem 1; Bonev et al. (2023), eq. (11).
    """

    def __init__(self, width: int, degree: int) -> None:
        super().__init__()
        # Real and imaginary part: complex weights are not known to every optimizer.
        scale = (1 / (2 * width)) ** 0.5
        self.weight = nn.Parameter(scale * torch.randn(degree + 1, width, width, 2))

    def forward(self, modes: Tensor) -> Tensor:
        """Return coefficients ``[batch, channel, degree, order]``, complex64."""
        with torch.autocast(modes.device.type, enabled=False):
            weight = torch.view_as_complex(self.weight.float())
            return torch.einsum("bilm,lio->bolm", modes, weight)


def transforms(
    signature: Signature, scale_factor: int
) -> tuple[SphericalHarmonics, SphericalHarmonics]:
    """Return the transforms of the grid of the data and of that of the blocks.

    Raises
    ------
    UserError
        If the grid is not global, or too coarse for the scale factor.
    """
    if not is_global(signature.latitude, signature.longitude):
        raise UserError(
            "SFNO: spherical harmonics need a grid from pole to pole and all round the globe; for "
            "a region take another model, such as unet."
        )
    rows, columns = signature.shape
    inner_rows, inner_columns = rows // scale_factor, columns // scale_factor
    if scale_factor < 1 or inner_rows < 2 or inner_columns < 3:
        raise UserError(
            f"SFNO: scale_factor = {scale_factor} does not fit a grid of {rows} x {columns} cells: "
            "it must be at least 1 and leave 2 rows and 3 columns."
        )
    inside = gaussian_latitudes(inner_rows).tolist()
    degree = highest_degree(signature.latitude, columns)
    if scale_factor > 1:
        degree = min(degree, highest_degree(inside, inner_columns))
    outer = SphericalHarmonics(signature.latitude, columns, degree)
    inner = SphericalHarmonics(inside, inner_columns, degree) if scale_factor > 1 else outer
    return outer, inner


def position_fields(signature: Signature, width: int, positions: str) -> nn.Parameter | None:
    """Return what is learned of places ``[width, latitude, longitude]``, zero to start with."""
    rows, columns = signature.shape
    shapes = {"none": None, "latitude": (width, rows, 1), "cell": (width, rows, columns)}
    if positions not in shapes:
        raise UserError(f"SFNO: positions = '{positions}' must be one of {', '.join(shapes)}.")
    shape = shapes[positions]
    return None if shape is None else nn.Parameter(torch.zeros(shape))


def perceptron(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """Return a perceptron with one hidden layer that works at each cell."""
    first, last = nn.Conv2d(inputs, hidden, 1), nn.Conv2d(hidden, outputs, 1, bias=False)
    nn.init.normal_(first.weight, std=(2 / inputs) ** 0.5)
    nn.init.zeros_(first.bias)  # type: ignore[arg-type]
    nn.init.normal_(last.weight, std=(1 / hidden) ** 0.5)
    return nn.Sequential(first, nn.GELU(), last)
