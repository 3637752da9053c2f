"""Drawing from a generator, whoever holds it: a game, a checkpoint or an export. Needs torch alone."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn

CHUNK = 256  # images drawn at once


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draws from a stream of its own; the streams outside go on as if nothing had been drawn."""
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() and torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        yield


@torch.no_grad()
def draw(
    generator: nn.Module, prior: nn.Module, n: int, seed: int | None = None, condition: Tensor | None = None
) -> Tensor:
    """n images in [−1, 1] (points: as they lie), by the generator in eval mode.

    Args:
        generator: (z, condition) -> image.
        prior: n -> latents (n, z_dim), on the generator's device.
        n: how many.
        seed: the same seed draws the same images and leaves other random streams alone; None: draws from them.
        condition: one for each; None: a conditional generator draws its classes in turn.
    """
    if condition is None and (labels := getattr(generator, "condition", None)) is not None:
        device = next(generator.parameters()).device
        condition = torch.arange(n, device=device) % labels.num_classes
    was_training = generator.training
    generator.eval()
    with seeded(seed) if seed is not None else nullcontext():
        images = [
            generator(prior(len(rows)), None if condition is None else condition[rows.to(condition.device)])
            for rows in torch.arange(n).split(CHUNK)
        ]
    generator.train(was_training)
    return torch.cat(images)
