"""The kernel distance: how far apart two sets of features are, without assuming Gaussians and without bias."""

import torch
from torch import Tensor

from gan_lab.metrics.order import ByContent, Order

ROWS = 2048  # of a kernel matrix held at once
SUBSET = 1000  # rows of a subset, by custom


def kernel_distance(
    fake: Tensor,
    real: Tensor,
    subset_size: int | None = None,
    subsets: int = 100,
    order: Order = ByContent(),  # noqa: B008 (it is frozen)
) -> float:
    """The mean of `kernel_distances`: the KID, for Inception features."""
    return kernel_distances(fake, real, subset_size, subsets, order).mean().item()


def kernel_distances(
    fake: Tensor,
    real: Tensor,
    subset_size: int | None = None,
    subsets: int = 100,
    order: Order = ByContent(),  # noqa: B008
    keys: tuple[Tensor | None, Tensor | None] = (None, None),
) -> Tensor:
    """The squared maximum mean discrepancy, unbiased, of random subsets of each side. Can be negative.

    ``E k(x, x') + E k(y, y') − 2 E k(x, y)`` over pairs of different rows, ``k(x, y) = (x·y/d + 1)³``
    (Bińkowski et al. 2018, arXiv:1801.01401). Their standard deviation over √subsets is the error that drawing subsets
    leaves in the mean; that other images would score otherwise is not in it.

    Args:
        fake: features, (n, d).
        real: features, (m, d).
        subset_size: rows of a subset; None: 1,000, or whole sets, once, where a side has no more rows than that.
        subsets: how many subsets are drawn.
        order: how; its stream is local, torch's global one is left alone.
        keys: what the rows of either side are ranked by before the draws; None: by themselves.

    Returns:
        (subsets,) float64.

    Raises:
        ValueError: different dimensions, fewer than two rows on a side, or a subset larger than a side.
    """
    if fake.ndim != 2 or real.ndim != 2 or fake.shape[1] != real.shape[1]:
        raise ValueError(f"features of shapes {tuple(fake.shape)} and {tuple(real.shape)} can't be compared")
    n, m = len(fake), len(real)
    if min(n, m) < 2:
        raise ValueError(f"the kernel distance needs 2 images on each side, not {n} and {m}")
    x, y = fake.double(), real.to(fake.device).double()
    if subset_size is None and min(n, m) <= SUBSET:
        return _mmd(x, y, x.new_ones(n, 1), y.new_ones(m, 1)).cpu()
    size = SUBSET if subset_size is None else subset_size
    check_subsets(n, m, size, subsets)
    x, y = order.ranked(x, keys[0]), order.ranked(y, keys[1])
    drawn = [(rows.to(x.device), others.to(x.device)) for rows, others in order.subsets(n, m, size, subsets)]
    if n * n + m * m + n * m > 3 * subsets * size * size:  # the subsets' own pairs are fewer
        one = x.new_ones(size, 1)
        return torch.cat([_mmd(x[rows], y[others], one, one) for rows, others in drawn]).cpu()
    a, b = x.new_zeros(n, subsets), y.new_zeros(m, subsets)
    for i, (rows, others) in enumerate(drawn):
        a[rows, i], b[others, i] = 1, 1
    return _mmd(x, y, a, b).cpu()


def check_subsets(n: int, m: int, size: int, subsets: int) -> None:
    """Refuses subsets that can't be drawn from `n` generated and `m` real images.

    Raises:
        ValueError: they are larger than a side, or none.
    """
    if not 2 <= size <= min(n, m) or subsets < 1:
        raise ValueError(
            f"{subsets} subset(s) of {size} can't be drawn from {n} generated and {m} real images:"
            f" give a subset size from 2 to {min(n, m)}"
        )


def _mmd(x: Tensor, y: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Of the subsets of x (n, d) and y (m, d) that the columns of a (n, subsets) and b (m, subsets) mark by ones."""
    n, m = a.sum(dim=0), b.sum(dim=0)
    within_x = (_kernel_sums(x, x, a, a) - _kernel(x.square().sum(dim=1), x.shape[1]) @ a) / (n * (n - 1))
    within_y = (_kernel_sums(y, y, b, b) - _kernel(y.square().sum(dim=1), y.shape[1]) @ b) / (m * (m - 1))
    return within_x + within_y - 2 * _kernel_sums(x, y, a, b) / (n * m)


def _kernel_sums(x: Tensor, y: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """The kernel's sum over the pairs of each subset, aᵀ K b, a block of K's rows at a time."""
    blocks = zip(x.split(ROWS), a.split(ROWS), strict=True)
    return torch.stack([(marks * (_kernel(rows @ y.T, x.shape[1]) @ b)).sum(dim=0) for rows, marks in blocks]).sum(0)


def _kernel(products: Tensor, dim: int) -> Tensor:
    return (products / dim + 1) ** 3
