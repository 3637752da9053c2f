"""Samples as a picture: a grid of images, or a scatter of points over the real ones."""

import math

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.utils import make_grid

TILE = 48  # pixels that a small image is enlarged to, so that a person can read it


def picture(samples: Tensor, reals: Tensor | None = None) -> Image.Image:
    """A picture of samples.

    Args:
        samples: images (n, channels, height, width) in [−1, 1], or points (n, 2).
        reals: real points, drawn beneath the samples.

    Raises:
        ValueError: they are neither.
    """
    if samples.ndim == 4:
        return _grid(samples.detach().float().cpu())
    if samples.ndim == 2 and samples.shape[1] == 2:
        return _scatter(samples.detach().float().cpu(), reals)
    raise ValueError(f"samples of shape {tuple(samples.shape)} are neither images nor points in the plane")


def _grid(images: Tensor) -> Image.Image:
    scale = max(1, math.ceil(TILE / max(images.shape[-2:])))
    columns = math.ceil(math.sqrt(len(images)))
    levels = ((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    levels = levels.repeat_interleave(scale, -1).repeat_interleave(scale, -2)
    if levels.shape[1] == 4:
        levels = make_grid(levels, nrow=columns, padding=2, pad_value=0)
        return Image.fromarray(levels.permute(1, 2, 0).numpy(), "RGBA")
    if levels.shape[1] not in (1, 3):
        levels = levels[:, :1]
    return Image.fromarray(make_grid(levels, nrow=columns, padding=2, pad_value=64).permute(1, 2, 0).numpy())


def _scatter(points: Tensor, reals: Tensor | None) -> Image.Image:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 5), dpi=100, layout="tight")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots()
    if reals is not None:
        axes.scatter(reals[:, 0].cpu(), reals[:, 1].cpu(), s=4, color="0.7", label="real")
        low, high = float(reals.min()), float(reals.max())
        margin = 0.25 * (high - low)
        axes.set_xlim(low - margin, high + margin)
        axes.set_ylim(low - margin, high + margin)
    axes.scatter(points[:, 0], points[:, 1], s=4, color="tab:orange", alpha=0.6, label="generated")
    axes.set_aspect("equal")
    axes.legend(loc="upper right", markerscale=3)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
