"""A set has no order: scores that split or sample their rows first bring them into an order of their own.

Else the same images would score differently by batch size, number of processes or class order. The draws come from
a seeded stream of their own, so that scoring a run never changes the run.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Order(ABC):
    """How rows are ranked, then dealt to parts and subsets.

    Args:
        seed: of the draws.
    """

    seed: int = 2020

    @abstractmethod
    def ranked(self, rows: Tensor, keys: Tensor | None = None) -> Tensor:
        """The rows (n, d) in the order that draws count them in, ranked by `keys` (n,), else by themselves."""

    @abstractmethod
    def permutation(self, n: int) -> Tensor:
        """The numbers below n, shuffled."""

    @abstractmethod
    def subsets(self, n: int, m: int, size: int, count: int) -> Iterator[tuple[Tensor, Tensor]]:
        """`count` times, `size` different row numbers of each of two sets of `n` and `m` rows."""

    def shuffled(self, rows: Tensor, keys: Tensor | None = None) -> Tensor:
        """The rows (n, d) in the order in which they are dealt to parts."""
        return self.ranked(rows, keys)[self.permutation(len(rows)).to(rows.device)]


class ByContent(Order):
    """An order that depends on the set of rows and the seed, never on the order they came in."""

    def ranked(self, rows: Tensor, keys: Tensor | None = None) -> Tensor:
        if keys is None:
            direction = torch.randn(rows.shape[1], generator=self._stream(), dtype=torch.float64)
            keys = rows.double() @ direction.to(rows.device)
        return rows[keys.to(rows.device).argsort()]

    def permutation(self, n: int) -> Tensor:
        return torch.randperm(n, generator=self._stream())

    def subsets(self, n: int, m: int, size: int, count: int) -> Iterator[tuple[Tensor, Tensor]]:
        stream = self._stream()
        for _ in range(count):
            yield torch.randperm(n, generator=stream)[:size], torch.randperm(m, generator=stream)[:size]

    def _stream(self) -> torch.Generator:
        return torch.Generator().manual_seed(self.seed)


class AsTorchFidelity(Order):
    """torch-fidelity's draws: NumPy's, on the rows in the order they came in. For one process, to compare with it."""

    def ranked(self, rows: Tensor, keys: Tensor | None = None) -> Tensor:
        return rows

    def permutation(self, n: int) -> Tensor:
        return torch.from_numpy(np.random.RandomState(self.seed).permutation(n))

    def subsets(self, n: int, m: int, size: int, count: int) -> Iterator[tuple[Tensor, Tensor]]:
        stream = np.random.RandomState(self.seed)
        for _ in range(count):
            x, y = stream.choice(n, size, replace=False), stream.choice(m, size, replace=False)
            yield torch.from_numpy(x), torch.from_numpy(y)


def content_keys(rows: Tensor) -> Tensor:
    """An int64 for each row (n, …), made of all its bytes: what images are ranked by, the same on every machine."""
    content = rows.detach().contiguous().flatten(1).view(torch.uint8)
    words = F.pad(content, (0, -content.shape[1] % 8)).view(torch.int64)
    stream = torch.Generator().manual_seed(0)
    weights = torch.randint(-(2**62), 2**62, (words.shape[1],), generator=stream) | 1
    return (words * weights.to(words.device)).sum(dim=1)
