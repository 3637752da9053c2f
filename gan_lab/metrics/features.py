"""What scores look at: a network turns an image into features, distances between sets of features make the score.

An extractor is one class with a `name`, `dim` and `extract`. Images enter as they would leave a file, uint8: rounding
and clipping move a score, so they are done once, in `to_uint8`.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from gan_lab.metrics import cache


def to_uint8(images: Tensor) -> Tensor:
    """Images in [−1, 1] as bytes: ``round((x + 1)·127.5)``, clipped; bytes are returned as they are.

    Raises:
        ValueError: a value is NaN or infinite.
    """
    if images.dtype == torch.uint8:
        return images
    if not images.isfinite().all():
        raise ValueError("the images hold NaN or infinite values, which no score can judge: the generator diverged")
    return ((images.detach().float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def check_finite(*parts: Tensor) -> None:
    """Refuses features and logits that no score can judge.

    Raises:
        ValueError: a value is NaN or infinite.
    """
    if not all(part.isfinite().all() for part in parts):
        raise ValueError("the features hold NaN or infinite values: the extractor's weights or the images are broken")


class Features(nn.Module, ABC):
    """Turns images into features and logits; frozen, in evaluation mode, in float32 whatever the run's precision.

    Never let a game own one: its weights would land in every checkpoint.

    Attributes:
        name: what protocols call it; a change of weights or preprocessing is a new name.
        dim: the size of a feature vector.
        classes: the number of logits; 0 where it knows no classes, and no Inception score is taken.
    """

    name: str
    dim: int
    classes: int = 0

    @abstractmethod
    def extract(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features (n, dim) and logits (n, classes) of uint8 images (n, channels, height, width)."""

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The same, on the extractor's device and without gradients.

        Raises:
            ValueError: the images aren't uint8, (n, channels, height, width).
        """
        if images.dtype != torch.uint8 or images.ndim != 4:
            raise ValueError(
                f"features are taken of uint8 images (n, channels, height, width), not of {images.dtype}"
                f" {tuple(images.shape)}: convert them with to_uint8"
            )
        with torch.no_grad(), torch.autocast(self.device.type, enabled=False):
            features, logits = self.extract(images.to(self.device))
        return features.float(), logits.float()

    def train(self, mode: bool = True) -> "Features":
        """Stays in evaluation mode, whatever its owner does."""
        return super().train(False)

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next(self.parameters()).device

    def fingerprint(self) -> str:
        """Its name and weights as one digest: what cached statistics depend on."""
        state = sorted(self.state_dict().items())
        return cache.digest(self.name, *(part for key, tensor in state for part in (key, tensor)))
