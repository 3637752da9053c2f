"""Where latents come from: ``prior(n)`` draws n of them, on the prior's own device and in its own precision.

A prior is a module without parameters; its empty buffer moves with the game, and the draws land beside it.
"""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gan_lab.recipes import Recorded


class Prior(Recorded, nn.Module, ABC):
    """A distribution over latents.

    Args:
        dim: the latents' size.

    Raises:
        ValueError: `dim` is below 1.
    """

    place: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        if dim < 1:
            raise ValueError(f"dim is {dim}: give the latents' size, 1 or more")
        self.dim = dim
        self.register_buffer("place", torch.empty(0), persistent=False)

    @abstractmethod
    def forward(self, n: int) -> Float[Tensor, "{n} {self.dim}"]:
        """`n` independent latents."""

    def empty(self, n: int) -> Float[Tensor, "{n} {self.dim}"]:
        """Room for `n` latents, to be filled in place."""
        return self.place.new_empty(n, self.dim)


class Gaussian(Prior):
    """z ~ N(0, I), the common choice.

    Args:
        dim: the latents' size.
    """

    def __init__(self, dim: int = 100) -> None:
        super().__init__(dim)

    def forward(self, n: int) -> Float[Tensor, "{n} {self.dim}"]:
        return self.empty(n).normal_()


class Uniform(Prior):
    """z ~ U(low, high), each dimension by itself; DCGAN's authors use U(−1, 1).

    Args:
        dim: the latents' size.
        low: the smallest value.
        high: the largest value.

    Raises:
        ValueError: `low` is not below `high`.
    """

    def __init__(self, dim: int = 100, low: float = -1.0, high: float = 1.0) -> None:
        super().__init__(dim)
        if low >= high:
            raise ValueError(f"low is {low} and high is {high}: give a low below high")
        self.low, self.high = low, high

    def forward(self, n: int) -> Float[Tensor, "{n} {self.dim}"]:
        return self.empty(n).uniform_(self.low, self.high)


class Sphere(Prior):
    """z uniform on the sphere around 0: radius · ε/‖ε‖ with ε ~ N(0, I).

    White 2016, Sampling Generative Networks, https://arxiv.org/abs/1609.04468, shows why one moves along it. A radius
    of √dim gives each dimension unit variance, as the Gaussian has; StyleGAN scales its z so.

    Args:
        dim: the latents' size.
        radius: the distance of every latent from 0.

    Raises:
        ValueError: `radius` is not positive.
    """

    def __init__(self, dim: int = 100, radius: float = 1.0) -> None:
        super().__init__(dim)
        if radius <= 0:
            raise ValueError(f"radius is {radius}: give a positive one, such as 1")
        self.radius = radius

    def forward(self, n: int) -> Float[Tensor, "{n} {self.dim}"]:
        return self.radius * nn.functional.normalize(self.empty(n).normal_(), dim=1)
