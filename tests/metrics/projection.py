"""An extractor that costs nothing, and images of noise."""

import torch
from torch import nn

from gan_lab.metrics import Features, RealStatistics, to_uint8


class Projection(Features):
    """Eight fixed numbers of an image, and five logits."""

    name, dim, classes = "projection-v1", 8, 5

    def __init__(self, seed=0, classes=5):
        super().__init__()
        self.classes = classes
        stream = torch.Generator().manual_seed(seed)
        self.weight = nn.Parameter(torch.randn(64, 8 + classes, generator=stream) / 8, requires_grad=False)
        self.images = 0

    def extract(self, images):
        self.images += len(images)
        out = images.float().flatten(1) / 64 @ self.weight
        return out[:, :8], out[:, 8:]


def noise(n, seed, scale=1.0):
    return scale * (2 * torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(seed)) - 1)


def reals(n=300, seed=0, features=None, name="noise-train", **kwargs):
    return RealStatistics.of(to_uint8(noise(n, seed)), features or Projection(), name, **kwargs)
