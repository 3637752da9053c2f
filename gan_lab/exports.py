"""A generator alone, as two files that outlive the laboratory: ``generator.safetensors`` and ``generator.json``.

The JSON holds the recipes of generator and prior and what the numbers mean; the weights are plain tensors. Reading them
back needs torch, not Lightning, and executes nothing from the files.
"""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from gan_lab.recipes import RecipeError, build, recipe
from gan_lab.sampling import draw
from gan_lab.version import __version__

WEIGHTS, ABOUT = "generator.safetensors", "generator.json"
FORMAT = 1


class ExportError(ValueError):
    """A folder that is no export of gan-lab, or not a whole one."""


class Exported(nn.Module):
    """A generator ready to draw.

    Attributes:
        generator: (z, condition) -> images in [−1, 1].
        prior: n -> latents.
        about: what ``generator.json`` says: shape, range, scores with their protocol, rounds …
    """

    def __init__(self, generator: nn.Module, prior: nn.Module, about: Mapping[str, Any]) -> None:
        super().__init__()
        self.generator, self.prior, self.about = generator, prior, dict(about)

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        return self.generator(z, condition)

    def sample(self, n: int = 64, seed: int | None = None, condition: Tensor | None = None) -> Tensor:
        """n images; see `gan_lab.sampling.draw`."""
        return draw(self.generator, self.prior, n, seed, condition)


def export(generator: nn.Module, prior: nn.Module, folder: str | Path, about: Mapping[str, Any] | None = None) -> Path:
    """Write a generator and its prior into a folder, each file whole or not at all.

    Args:
        generator: the one that answers, such as ``game.answering``.
        prior: where its latents come from.
        folder: made if it is not there.
        about: further plain data for ``generator.json``, such as scores.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    labels = getattr(generator, "condition", None)
    says = {
        "format": FORMAT,
        "gan-lab": __version__,
        "generator": recipe(generator),
        "prior": recipe(prior),
        "shape": list(getattr(generator, "shape", ())),
        "range": [-1.0, 1.0],
        "num_classes": getattr(labels, "num_classes", None),
        **(about or {}),
    }
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in generator.state_dict().items()}
    save_file(weights, folder / f"{WEIGHTS}.tmp", metadata={"format": "pt"})
    (folder / f"{ABOUT}.tmp").write_text(json.dumps(says, indent=2) + "\n")
    for name in (WEIGHTS, ABOUT):
        os.replace(folder / f"{name}.tmp", folder / name)
    return folder


def load_generator(folder: str | Path, device: Any = "cpu", trust: Iterable[str] = ()) -> Exported:
    """The generator in an export folder: ``gan_lab.load_generator("digits").sample(16, seed=0)``.

    Args:
        folder: what `export` wrote.
        device: where to put it.
        trust: further packages whose classes it may be made of.

    Raises:
        ExportError: no export, or not a whole one.
        gan_lab.recipes.RecipeError: it names a class from a package that is not trusted.
    """
    folder = Path(folder)
    for name in (WEIGHTS, ABOUT):
        if not (folder / name).is_file():
            raise ExportError(f"{folder} is no exported generator: it has no {name}")
    try:
        about = json.loads((folder / ABOUT).read_text())
        recipes = about["generator"], about["prior"]
        weights = load_file(folder / WEIGHTS)
    except Exception as error:  # safetensors raises an exception type of its own
        raise ExportError(f"{folder} is no exported generator: {' '.join(str(error).split())}") from error
    generator, prior = (build(plain, trust) for plain in recipes)
    if not isinstance(generator, nn.Module) or not isinstance(prior, nn.Module):
        raise RecipeError(f"{folder / ABOUT} does not describe a generator and a prior")
    try:
        generator.load_state_dict(weights)
    except RuntimeError as error:
        raise ExportError(f"the weights in {folder} don't fit the generator that its {ABOUT} describes") from error
    generator.requires_grad_(False)
    return Exported(generator, prior, about).to(torch.device(device)).eval()
