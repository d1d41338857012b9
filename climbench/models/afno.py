"""The adaptive Fourier neural operator of FourCastNet."""

import torch
from torch import Tensor, nn
from torch.nn.functional import relu, softshrink

from climbench.errors import UserError
from climbench.models.channels import NetworkInput, NetworkOutput
from climbench.models.patches import Patches, initialise_any
from climbench.tasks.sample import Sample, Signature


class AFNO(nn.Module):
    """A vision transformer whose tokens are mixed by a perceptron on their Fourier modes.

    As published, the Fourier transform takes the patches as periodic in both directions: round
    the globe that is right, from pole to pole (and on a region) it is not, and the learned
    positions have to make up for it. The rectifier sees the phases of the modes, so that the model
    does not turn with the globe. The norm after the last block, which the authors' network holds
    but does not use, is left out. The lead time enters as a constant channel.

    Parameters
    ----------
    signature
        The question.
    patch_size
        Rows and columns of a patch. Grids that it does not divide are extended to the north and
        east, and the transform goes round the extended grid: where that adds columns its waves are
        a little longer than the globe, with a seam at its eastern end. Choose one that divides
        the columns of a global grid.
    embed_dim, depth
        Width of a token, number of blocks.
    num_blocks
        Groups of channels that the perceptron on the modes mixes within.
    sparsity_threshold
        Modes are shrunk towards zero by so much (in the units of a normalised token).
    hard_thresholding_fraction
        Share of the modes along a column that pass, the longest waves first (the authors' code,
        which was run with 1, takes the shortest); along a row as many pass.
    mlp_ratio
        Width of the perceptrons on the tokens over that of a token.
    positions
        Whether a vector for each patch is learned.
    calendar, coordinates, residual
        As in :class:`climbench.models.resnet.ResNet`.

    Raises
    ------
    UserError
        If the blocks do not divide the width.

    References
    ----------
    Pathak et al. (2022), FourCastNet; Guibas et al. (2022), Adaptive Fourier neural operators,
    section 4.
    """

    def __init__(
        self,
        signature: Signature,
        patch_size: int = 8,
        embed_dim: int = 768,
        depth: int = 12,
        num_blocks: int = 8,
        sparsity_threshold: float = 0.01,
        hard_thresholding_fraction: float = 1.0,
        mlp_ratio: float = 4.0,
        positions: bool = True,
        calendar: bool = False,
        coordinates: bool = False,
        residual: bool = False,
    ) -> None:
        super().__init__()
        if embed_dim % num_blocks:
            raise UserError(
                f"AFNO: embed_dim = {embed_dim} must be a multiple of num_blocks = {num_blocks}."
            )
        self.patches = patches = Patches(signature, patch_size)
        self.input = NetworkInput(
            signature, lead_time=True, calendar=calendar, coordinates=coordinates
        )
        self.output = NetworkOutput(signature, residual=residual)
        self.embed = nn.Conv2d(self.input.count, embed_dim, patch_size, stride=patch_size)
        shape = (patches.rows, patches.columns, embed_dim)
        self.positions = nn.Parameter(torch.empty(shape)) if positions else None
        if self.positions is not None:
            nn.init.trunc_normal_(self.positions, std=0.02)
        self.blocks = nn.Sequential(
            *(
                AFNOBlock(
                    embed_dim,
                    int(mlp_ratio * embed_dim),
                    FourierMixer(
                        embed_dim, num_blocks, sparsity_threshold, hard_thresholding_fraction
                    ),
                )
                for _ in range(depth)
            )
        )
        self.head = nn.Linear(embed_dim, self.output.count * patch_size**2, bias=False)
        self.blocks.apply(initialise_any)
        initialise_any(self.head)
        if residual:
            nn.init.zeros_(self.head.weight)

    def forward(self, sample: Sample) -> Tensor:
        """Return the answer ``[batch, lead, target, latitude, longitude]``."""
        tokens = self.embed(self.patches.extend(self.input(sample))).permute(0, 2, 3, 1)
        if self.positions is not None:
            tokens = tokens + self.positions
        patches = self.head(self.blocks(tokens)).flatten(1, 2)
        answer: Tensor = self.output(self.patches.join(patches), sample)
        return answer


class AFNOBlock(nn.Module):
    """A mixer and a perceptron, each normalised before and added to what came in."""

    def __init__(self, width: int, hidden: int, mixer: "FourierMixer") -> None:
        super().__init__()
        self.mixer = nn.Sequential(nn.LayerNorm(width, eps=1e-6), mixer)
        self.perceptron = nn.Sequential(
            nn.LayerNorm(width, eps=1e-6),
            nn.Linear(width, hidden),
            nn.GELU(),
            nn.Linear(hidden, width),
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Return tokens ``[batch, row, column, width]``."""
        tokens = tokens + self.mixer(tokens)
        return tokens + torch.as_tensor(self.perceptron(tokens))


class FourierMixer(nn.Module):
    """A perceptron with complex weights on each Fourier mode, the same for all modes.

    Its matrices are block-diagonal. The rectifier takes real and imaginary part on their own; the
    outcome is shrunk towards zero, transformed back and added to what came in. In float32.
    """

    def __init__(self, width: int, blocks: int, threshold: float, fraction: float) -> None:
        super().__init__()
        self.blocks, self.threshold, self.fraction = blocks, threshold, fraction
        size = width // blocks
        self.weights = nn.Parameter(0.02 * torch.randn(2, blocks, size, size, 2))
        self.biases = nn.Parameter(0.02 * torch.randn(2, blocks, size, 2))

    def forward(self, tokens: Tensor) -> Tensor:
        """Return tokens ``[batch, row, column, width]``."""
        rows, columns = tokens.shape[1:3]
        with torch.autocast(tokens.device.type, enabled=False):
            modes = torch.fft.rfft2(tokens.float(), dim=(1, 2), norm="ortho")
            mixed = self._perceptron(modes.unflatten(3, (self.blocks, -1)))
            mixed = torch.view_as_complex(softshrink(torch.view_as_real(mixed), self.threshold))
            kept = mixed.flatten(3) * self.passes(rows, columns, tokens.device)[..., None]
            change: Tensor = torch.fft.irfft2(kept, s=(rows, columns), dim=(1, 2), norm="ortho")
        return tokens + change.to(tokens.dtype)

    def _perceptron(self, modes: Tensor) -> Tensor:
        """Return modes ``[batch, row, column, block, channel]``, complex64."""
        first, second = torch.view_as_complex(self.weights.float())
        inside, outside = torch.view_as_complex(self.biases.float())
        hidden = torch.einsum("...ki,kio->...ko", modes, first) + inside
        hidden = torch.view_as_complex(relu(torch.view_as_real(hidden)))
        mixed: Tensor = torch.einsum("...ki,kio->...ko", hidden, second) + outside
        return mixed

    def passes(self, rows: int, columns: int, device: torch.device | None = None) -> Tensor:
        """Return which modes pass ``[row, column]``: those with both wavenumbers small enough."""
        count = int((rows // 2 + 1) * self.fraction)
        row = torch.arange(rows, device=device)
        column = torch.arange(columns // 2 + 1, device=device)
        return (torch.minimum(row, rows - row)[:, None] < count) & (column < count)
