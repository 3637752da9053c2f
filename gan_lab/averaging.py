"""Averages of a network over its training, which draw better than the network of the moment."""

import copy

import torch
from torch import nn

from gan_lab.recipes import Recorded


class EMA(Recorded, nn.Module):
    """An exponential moving average of a network: parameters averaged, buffers copied.

    After `images` more images ``average ← average + (1 − β)(network − average)``, β = ½^(images / half-life), with the
    half-life held to `warm_up` times the images seen so far, so that the first, poor networks are soon forgotten
    (Karras et al. 2020, arXiv:1912.04958, appendix B; the ramp is their public code's).

    Args:
        half_life: images after which an old network counts half.
        warm_up: the half-life as a share of the images seen, while that is less; 0: no warm-up.
    """

    def __init__(self, half_life: float = 10_000, warm_up: float = 0.05) -> None:
        super().__init__()
        if half_life <= 0:
            raise ValueError(f"half_life is {half_life} images; it must be positive (ema: null averages nothing)")
        self.half_life = half_life
        self.warm_up = warm_up

    def follow(self, network: nn.Module) -> None:
        """Start from a copy of `network`."""
        self.module = copy.deepcopy(network).requires_grad_(False)

    def beta(self, images: int, images_seen: int) -> float:
        """What is kept of the average after `images` more, `images_seen` in all."""
        half_life = min(self.half_life, images_seen * self.warm_up) if self.warm_up else self.half_life
        return 0.5 ** (images / max(half_life, 1e-8))

    @torch.no_grad()
    def update(self, network: nn.Module, images: int, images_seen: int) -> None:
        """Move the average towards `network`, which has seen `images` since the last update."""
        torch._foreach_lerp_(
            list(self.module.parameters()), list(network.parameters()), 1 - self.beta(images, images_seen)
        )
        for average, current in zip(self.module.buffers(), network.buffers(), strict=True):
            average.copy_(current)
