"""The kernel distance: how far apart two sets of features are, without assuming Gaussians and without bias."""

import torch
from torch import Tensor

from gan_lab.metrics.order import shuffled

ROWS = 2048  # of a kernel matrix held at once


def kernel_distance(fake: Tensor, real: Tensor, subset_size: int = 1000, subsets: int = 100, seed: int = 2020) -> float:
    """The squared maximum mean discrepancy, unbiased; of Inception features it is the KID. Can be negative.

    ``E k(x, x') + E k(y, y') − 2 E k(x, y)`` over pairs of different rows, ``k(x, y) = (x·y/d + 1)³``
    (Bińkowski et al. 2018, arXiv:1801.01401), as the mean over random subsets of `subset_size` rows from each side.
    Where a side has no more rows than that, whole sets are compared, once.

    Args:
        fake: features, (n, d).
        real: features, (m, d).
        subset_size: rows of a subset.
        subsets: how many subsets are drawn.
        seed: of the draws, which are local: torch's global stream is left alone.

    Raises:
        ValueError: different dimensions, or fewer than two rows on a side.
    """
    if fake.ndim != 2 or real.ndim != 2 or fake.shape[1] != real.shape[1]:
        raise ValueError(f"features of shapes {tuple(fake.shape)} and {tuple(real.shape)} can't be compared")
    if min(len(fake), len(real)) < 2:
        raise ValueError(f"the kernel distance needs 2 images on each side, not {len(fake)} and {len(real)}")
    x, y = fake.double(), real.to(fake.device).double()
    if min(len(x), len(y)) <= subset_size:
        return _mmd(x, y)
    x, y = shuffled(x, seed), shuffled(y, seed)
    stream = torch.Generator().manual_seed(seed)

    def draw(rows: Tensor) -> Tensor:
        return rows[torch.randperm(len(rows), generator=stream)[:subset_size].to(rows.device)]

    return sum(_mmd(draw(x), draw(y)) for _ in range(subsets)) / subsets


def _mmd(x: Tensor, y: Tensor) -> float:
    n, m = len(x), len(y)
    within_x = (_kernel_sum(x, x) - _kernel(x.square().sum(dim=1), x.shape[1]).sum()) / (n * (n - 1))
    within_y = (_kernel_sum(y, y) - _kernel(y.square().sum(dim=1), y.shape[1]).sum()) / (m * (m - 1))
    return float(within_x + within_y - 2 * _kernel_sum(x, y) / (n * m))


def _kernel_sum(x: Tensor, y: Tensor) -> Tensor:
    return torch.stack([_kernel(rows @ y.T, x.shape[1]).sum() for rows in x.split(ROWS)]).sum()


def _kernel(products: Tensor, dim: int) -> Tensor:
    return (products / dim + 1) ** 3
