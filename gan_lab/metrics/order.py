"""A set has no order: scores that split or sample their rows first bring them into an order of their own.

Else the same images would score differently by batch size, number of processes or class order. The draws come from
a seeded stream of their own, so that scoring a run never changes the run.
"""

import torch
from torch import Tensor


def shuffled(rows: Tensor, seed: int = 0) -> Tensor:
    """The rows (n, d) in an order that depends on their content and the seed, never on the order they came in."""
    stream = torch.Generator().manual_seed(seed)
    direction = torch.randn(rows.shape[1], generator=stream, dtype=torch.float64).to(rows.device)
    ranked = rows[(rows.double() @ direction).argsort()]
    return ranked[torch.randperm(len(rows), generator=stream).to(rows.device)]
