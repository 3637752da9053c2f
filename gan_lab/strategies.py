"""Several processes, each with its own part of the batch: gradients are averaged once a move, and nothing else is sent.

Lightning's DDP wraps the whole module and expects each backward pass to reach every parameter, which no player's move
does: it stops with an error, or (`find_unused_parameters`) sends every parameter at every move. Here nothing is
wrapped. A move's own gradients go in one flat all-reduce just before its optimizer steps, so that micro-batches,
several backward passes and second derivatives need no care; unscaling and clipping follow, on the mean.
"""

from collections.abc import Callable
from typing import Any

import torch
from pytorch_lightning.strategies import DDPStrategy, StrategyRegistry
from torch import Tensor
from torch.optim import Optimizer

CHUNK = 256 * 2**20  # bytes sent at once: a copy of the gradients no larger than this is held


class GameStrategy(DDPStrategy):
    """For games on more than one device: ``Trainer(strategy="game", devices=8)``; gan-lab's command takes it by itself.

    N processes with batch B make the moves that one process with batch N·B makes. (BatchNorm looks at a process's own
    images, unless ``sync_batchnorm`` is on.)

    Sharding (FSDP2) is not built upon: a penalty's second derivative fails under it in torch 2.14.
    """

    def configure_ddp(self) -> None:
        """Start everywhere from the first process's weights and buffers; wrap nothing."""
        assert self.model is not None
        for tensor in (*self.model.parameters(), *self.model.buffers()):
            broadcast(tensor.data)

    def optimizer_step(self, optimizer: Optimizer, closure: Callable[[], Any], model: Any = None, **kwargs: Any) -> Any:
        """Average the move's gradients over the processes, then unscale, clip and step."""
        result = closure()
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for chunk in chunks(gradients, CHUNK):
            average(chunk)
        return super().optimizer_step(optimizer, lambda: result, model, **kwargs)

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds: buffers that differ between processes (BatchNorm's) are averaged before."""
        self.sync_buffers()
        return super().lightning_module_state_dict()

    @torch.no_grad()
    def sync_buffers(self) -> None:
        """Make the running statistics of all processes their mean; whole numbers are the first process's."""
        assert self.model is not None
        buffers = list(self.model.buffers())
        average([buffer for buffer in buffers if buffer.is_floating_point() and buffer.numel()])
        for buffer in buffers:
            if not buffer.is_floating_point():
                broadcast(buffer)


def broadcast(tensor: Tensor) -> None:
    """Make a tensor the first process's, in place; messages are contiguous, tensors may be channels last."""
    if tensor.numel():
        message = tensor.contiguous()
        torch.distributed.broadcast(message, src=0)
        tensor.copy_(message)


@torch.no_grad()
def average(tensors: list[Tensor]) -> None:
    """Make tensors their mean over all processes, in place and in one message."""
    if not tensors or torch.distributed.get_world_size() == 1:
        return
    flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
    torch.distributed.all_reduce(flat)
    flat /= torch.distributed.get_world_size()
    parts = flat.split([tensor.numel() for tensor in tensors])
    torch._foreach_copy_(tensors, [part.view(tensor.shape) for part, tensor in zip(parts, tensors, strict=True)])


def chunks(tensors: list[Tensor], limit: int) -> list[list[Tensor]]:
    """Tensors in order, cut into lists of at most `limit` bytes (a larger tensor stands alone)."""
    found: list[list[Tensor]] = [[]]
    size = 0
    for tensor in tensors:
        if found[-1] and size + tensor.nbytes > limit:
            found.append([])
            size = 0
        found[-1].append(tensor)
        size += tensor.nbytes
    return found if tensors else []


StrategyRegistry.register("game", GameStrategy, description="For games: gradients averaged once a move, no wrapper")
