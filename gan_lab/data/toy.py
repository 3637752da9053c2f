"""Points in the plane: the toys on which modes are counted."""

import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from gan_lab.data.base import Data, DataError
from gan_lab.data.items import Table
from gan_lab.data.loaders import generator


class Modes(NamedTuple):
    """Equal Gaussians: their centres (modes, 2) and one standard deviation."""

    centres: Tensor
    sigma: float


def ring8() -> Modes:
    """Eight on a circle of radius 2, σ 0.02 (Metz et al. 2017, Unrolled GAN, App. A)."""
    angles = torch.arange(8) * (2 * math.pi / 8)
    return Modes(2 * torch.stack([angles.cos(), angles.sin()], 1), 0.02)


def grid25() -> Modes:
    """Five by five, 2 apart, σ 0.05 (Dumoulin et al. 2017; Lin et al. 2018, PacGAN, §4.1)."""
    side = torch.arange(-4.0, 5.0, 2.0)
    return Modes(torch.cartesian_prod(side, side), 0.05)


def swiss_roll(count: int, random: torch.Generator) -> Tensor:
    """A spiral, as WGAN-GP's code draws it: noise 0.25, divided by 7.5 (standard deviation a little below 1)."""
    from sklearn.datasets import make_swiss_roll

    points, _ = make_swiss_roll(count, noise=0.25, random_state=_number(random))
    return torch.from_numpy(points[:, [0, 2]]) / 7.5


def two_moons(count: int, random: torch.Generator) -> Tensor:
    """Two half circles with noise 0.05, centred; 0.705 is the root mean square of the noiseless deviations."""
    from sklearn.datasets import make_moons

    points, _ = make_moons(count, noise=0.05, random_state=_number(random))
    return (torch.from_numpy(points) - torch.tensor([0.5, 0.25])) / 0.705


MODES: dict[str, Callable[[], Modes]] = {"ring8": ring8, "grid25": grid25}
CURVES: dict[str, Callable[[int, torch.Generator], Tensor]] = {"swiss_roll": swiss_roll, "two_moons": two_moons}


class Toy2D(Data):
    """Points (N, 2) in float32; where the distribution has modes, each holds the same share and labels its points.

    The splits are independent draws.

    Attributes:
        centres: (modes, 2), or None for the curves.
        sigma: the modes' standard deviation, or None.

    Args:
        kind: which distribution: eight Gaussians on a ring, 25 on a grid, scikit-learn's swiss roll or two moons.
        count: points to train on.
        validation: points in "validation", and as many others in "test".
        scale: multiplies points, centres and sigma; WGAN-GP's code has 1/√8 = 0.35355 for the grid, 1/√2 = 0.70711
            for the ring.
        kwargs: of `Data`.
    """

    shape = (2,)

    def __init__(
        self,
        kind: Literal["ring8", "grid25", "swiss_roll", "two_moons"] = "ring8",
        count: int = 100_000,
        validation: int = 10_000,
        scale: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        for option, value in (("count", count), ("validation", validation), ("scale", scale)):
            if value <= 0:
                raise DataError(f"--data.{option} is {value}: it must be above 0")
        if kind not in (*MODES, *CURVES):
            raise DataError(f"there is no toy {kind!r}: set --data.kind to one of {', '.join((*MODES, *CURVES))}")
        self.kind = kind
        self.sizes = {"train": count, "validation": validation, "test": validation}
        self.scale = scale
        self.name = kind.replace("_", ".") + (f".x{scale:g}" if scale != 1 else "")
        self.centres: Tensor | None = None
        self.sigma: float | None = None
        if kind in MODES:
            modes = MODES[kind]()
            self.centres, self.sigma = modes.centres * scale, modes.sigma * scale
            self.num_classes = len(modes.centres)

    def load(self, split: str) -> Table:
        count, random = self.sizes[split], generator(self.seed, self.kind, split)
        if self.centres is None or self.sigma is None:
            return Table((CURVES[self.kind](count, random) * self.scale).float())
        labels = torch.arange(count) % len(self.centres)
        return Table(self.centres[labels] + self.sigma * torch.randn(count, 2, generator=random), labels)


def _number(random: torch.Generator) -> int:
    return int(torch.randint(2**31, (), generator=random))
