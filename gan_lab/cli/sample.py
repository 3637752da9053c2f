"""``gan-lab sample``: pictures from a checkpoint."""

import argparse
import sys
from pathlib import Path
from typing import Any, NoReturn

import torch

from gan_lab.checkpoints import load
from gan_lab.cli import UsageError
from gan_lab.pictures import picture


def main() -> None:
    """Draw from a checkpoint and write a picture."""
    arguments = _parser().parse_args(sys.argv[2:])
    if arguments.num < 1:
        raise UsageError(f"--num is {arguments.num}: ask for at least one image")
    game: Any = load(arguments.checkpoint, _device(arguments.device), arguments.trust)
    if not hasattr(game, "sample"):
        raise UsageError(f"a {type(game).__name__} answers images and can't draw from nothing")
    out = Path(arguments.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    image = picture(game.sample(arguments.num, seed=arguments.seed))
    try:
        image.save(out)
    except ValueError as error:
        raise UsageError(f"--out {out}: {error} (.png always works)") from error
    print(out)


def _device(name: str) -> torch.device:
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UsageError(f"--device {name} is not to be had here ({reason}): cpu always is") from error


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (gan-lab sample --help)")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="gan-lab sample", description="Draw images from a checkpoint into one picture.")
    parser.add_argument("checkpoint", metavar="CKPT", help="a .ckpt file, or a run folder (its best checkpoint)")
    parser.add_argument("--num", type=int, default=64, help="how many images (default: 64)")
    parser.add_argument("--seed", type=int, default=0, help="the same seed draws the same images (default: 0)")
    parser.add_argument("--out", default="grid.png", help="the picture's path (default: grid.png)")
    parser.add_argument("--device", default="cpu", help="where to draw: cpu, cuda, … (default: cpu)")
    parser.add_argument(
        "--trust", action="append", default=[], metavar="PACKAGE", help="a package whose classes the file may name"
    )
    parser.add_argument("--traceback", action="store_true", help="show where an error came from")
    return parser
