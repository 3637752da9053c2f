"""From a file to a game: what another project needs to draw from a trained generator."""

import pickle
import re
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from gan_lab.game import Game

NO_CHECKPOINT = "is no checkpoint: it is not what torch.save writes, or was cut short"


class CheckpointError(ValueError):
    """A file that is no checkpoint of gan-lab, or not a whole one."""


def load(path: str | Path, device: Any = "cpu", trust: Iterable[str] = ()) -> Game:
    """The game in a checkpoint, ready to draw: ``gan_lab.load("last.ckpt").sample(16)``.

    Args:
        path: a ``.ckpt`` file, or a run folder, whose best checkpoint (else its last) is taken.
        device: where to put it.
        trust: further packages whose classes it may be made of.

    Raises:
        CheckpointError: no such file, or no checkpoint of gan-lab.
        gan_lab.recipes.RecipeError: it names a class from a package that is not trusted.
    """
    path = find(path)
    check(path)
    return Game.load_from_checkpoint(path, map_location=device, trust=trust).eval()


def find(path: str | Path) -> Path:
    """The checkpoint that a path means: itself, or a run folder's best, else its last."""
    path = Path(path)
    if path.is_dir():
        for candidate in (path / "checkpoints" / "best.ckpt", path / "checkpoints" / "last.ckpt"):
            if candidate.is_file():
                return candidate
        raise CheckpointError(f"there is no checkpoint in {path}/checkpoints")
    if not path.is_file():
        raise CheckpointError(f"there is no checkpoint {path}")
    return path


def newest_whole(folder: Path) -> tuple[Path | None, list[Path]]:
    """The newest of ``last.ckpt``, ``last-1.ckpt`` … in a folder that is whole, and the broken ones passed over."""
    broken: list[Path] = []
    for path in sorted(folder.glob("last*.ckpt"), key=lambda path: (len(path.stem), path.stem)):
        try:
            with zipfile.ZipFile(path) as file:
                spoilt = file.testzip()
            check(path)
        except (CheckpointError, OSError, zipfile.BadZipFile):
            spoilt = path.name
        if spoilt is None:
            return path, broken
        broken.append(path)
    return None, broken


def check(path: Path) -> dict[str, Any]:
    """What gan-lab wrote into a checkpoint beside its weights, read without executing or loading anything else."""
    if not zipfile.is_zipfile(path):
        raise CheckpointError(f"{path} {NO_CHECKPOINT}")
    try:
        checkpoint = torch.load(path, map_location="meta", weights_only=True, mmap=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, ValueError) as error:
        if found := re.search(r"GLOBAL (\S+)", str(error)):
            raise CheckpointError(f"{path} would run code ({found[1]}), so it was not loaded") from error
        raise CheckpointError(f"{path} {NO_CHECKPOINT}") from error
    if not isinstance(checkpoint, dict) or "gan_lab" not in checkpoint or "state_dict" not in checkpoint:
        raise CheckpointError(f"{path} is no checkpoint of gan-lab: it holds no recipe")
    return checkpoint["gan_lab"]
