"""The slots of a game: what every network answers to, so that any generator plays against any discriminator.

Networks are plain modules that know of no game: ``(z, condition) -> image`` and ``(image, condition) -> score``.
"""

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor, nn

from gan_lab.recipes import Recorded


class Generator(Recorded, nn.Module, ABC):
    """Draws from latents.

    Attributes:
        shape: one image's (channels, height, width), or (dimensions,) for points.
        z_dim: the latents' size.
        condition: what makes a vector of a label, for a conditional generator; it knows its `num_classes`.
    """

    shape: tuple[int, ...]
    z_dim: int
    condition: nn.Module | None

    @abstractmethod
    def forward(self, z: Float[Tensor, "n z"], condition: Tensor | None = None) -> Float[Tensor, "n *shape"]:
        """Images in [−1, 1] (points: unbounded); an unconditional network ignores `condition`."""


class Discriminator(Recorded, nn.Module, ABC):
    """Scores images: one raw number each, never a probability.

    Attributes:
        shape: one image's (channels, height, width), or (dimensions,) for points.
    """

    shape: tuple[int, ...]

    @abstractmethod
    def forward(self, image: Float[Tensor, "n *shape"], condition: Tensor | None = None) -> Float[Tensor, " n"]:
        """High where the image looks real; an unconditional network ignores `condition`."""
