"""Are the fakes where reals are, and are there fakes wherever reals are? Balls around features stand for a manifold.

A ball reaches from a feature to its k-th nearest other one of its own set. Distances come in blocks of rows, so memory
grows with the number of images, not with its square.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

BLOCK = 2**24  # distances held at once
TIE = 1e-12  # of the squares at work: rounding parts equal distances by less


class Manifold(NamedTuple):
    """Improved precision and recall, density and coverage."""

    precision: float
    recall: float
    density: float
    coverage: float


def manifold_scores(
    fake: Tensor, real: Tensor, k: int = 3, k_density: int = 5, real_radii: Tensor | None = None
) -> Manifold:
    """All four from one pass over the distances.

    With B_k(x) the ball around x up to its k-th nearest neighbour in its own set, the surface included (Kynkäänniemi
    et al. 2019, arXiv:1904.06991; Naeem et al. 2020, arXiv:2002.09797):

    - precision: the share of fakes in any real's B_k; recall: the share of reals in any fake's B_k;
    - density: in how many reals' B_k a fake lies, over k, 1 in expectation where fakes are reals;
    - coverage: the share of reals with a fake in their B_k, ``1 − Π (N−i)/(M+N−i), i = 1…k`` where fakes are reals.

    All of them depend on both counts: compare equal counts only.

    Args:
        fake: features, (n, d).
        real: features, (m, d).
        k: the neighbour for precision and recall.
        k_density: the neighbour for density and coverage.
        real_radii: `radii(real, max(k, k_density))`, if known from before.

    Raises:
        ValueError: different dimensions, or no k + 1 rows on a side.
    """
    if fake.ndim != 2 or real.ndim != 2 or fake.shape[1] != real.shape[1]:
        raise ValueError(f"features of shapes {tuple(fake.shape)} and {tuple(real.shape)} can't be compared")
    x, y = fake.double(), real.to(fake.device).double()
    around_fakes = radii(x, k)[:, k - 1]
    around_reals = (radii(y, max(k, k_density)) if real_radii is None else real_radii).to(x.device)
    wide, narrow = around_reals[:, k - 1], around_reals[:, k_density - 1]
    inside, within = 0, 0
    recalled = torch.zeros(len(y), dtype=torch.bool, device=x.device)
    covered = recalled.clone()
    for rows, squares in distances(x, y):
        inside += int((squares <= wide).any(dim=1).sum())
        recalled |= (squares <= around_fakes[rows, None]).any(dim=0)
        near = squares <= narrow
        within += int(near.sum())
        covered |= near.any(dim=0)
    share = recalled.double().mean().item(), covered.double().mean().item()
    return Manifold(inside / len(x), share[0], within / (k_density * len(x)), share[1])


def radii(rows: Tensor, k: int) -> Tensor:
    """Squared distances of each row (n, d) to its 1st … k-th nearest other one, (n, k), a rounding error enlarged.

    Raises:
        ValueError: fewer than k + 1 rows.
    """
    if len(rows) <= k:
        raise ValueError(f"{len(rows)} images have no {k} neighbours each: give at least {k + 1}")
    rows = rows.double()
    found = []
    for block, squares in distances(rows, rows):
        squares[torch.arange(len(squares)), torch.arange(len(rows))[block]] = torch.inf  # itself
        found.append(squares.topk(k, largest=False).values)
    return (1 + TIE) * torch.cat(found) + TIE * _centred(rows, rows)[0].square().sum(dim=1, keepdim=True)


def nearest(x: Tensor, y: Tensor) -> Tensor:
    """The distance of each row of x (n, d) to the nearest of y (m, d), (n,) float64."""
    return torch.cat([squares.min(dim=1).values for _, squares in distances(x.double(), y.double())]).sqrt()


def distances(x: Tensor, y: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Squared distances of rows of x (n, d) to all of y (m, d), in blocks of x's rows: which ones, and (rows, m)."""
    x, y = _centred(x, y)
    norms = y.square().sum(dim=1)
    for start in range(0, len(x), size := max(1, BLOCK // max(1, len(y)))):
        block = slice(start, min(start + size, len(x)))
        squares = torch.addmm(norms, x[block], y.T, alpha=-2) + x[block].square().sum(dim=1, keepdim=True)
        yield block, squares.clamp_(min=0)


def _centred(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Both about one point near them: the closer to the origin, the less is lost in |x|² + |y|² − 2 x·y."""
    centre = y.mean(dim=0)
    return x - centre, y - centre
