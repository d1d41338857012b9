"""Weights, gradients and states of the optimizer shared out over devices: FSDP in its second form.

Unlike the first it leaves weights their names and shapes, runs on CPUs too, and casts no buffers:
the scaling of fields in bfloat16 would lose them.
"""

from lightning.pytorch.strategies import ModelParallelStrategy
from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

from climbench.training.recomputation import blocks_of


class SharedOut(ModelParallelStrategy):  # type: ignore[misc]  # lightning is not typed here
    """Each device holds its part of every weight; checkpoints are whole, as those of one device."""

    def __init__(self) -> None:
        super().__init__(save_distributed_checkpoint=False)

    def setup_environment(self) -> None:
        """Share all weights out over all devices."""
        self._data_parallel_size = self.num_nodes * self.num_processes
        self._tensor_parallel_size = 1
        super().setup_environment()


def share_out(network: nn.Module, mesh: DeviceMesh) -> None:
    """Shard the weights of a network: block by block, each whole only while it is computed.

    Parameters
    ----------
    network
        Changed in place; names of weights stay.
    mesh
        The devices.
    """
    for block in blocks_of(network):
        fully_shard(block, mesh=mesh)
    fully_shard(network, mesh=mesh)
    if hasattr(network, "loss"):
        register_fsdp_forward_method(network, "loss")
