"""What the small subcommands share: a parser whose errors are one line, and what they take for a generator."""

import argparse
from pathlib import Path
from typing import Any, NoReturn

import torch

from gan_lab.checkpoints import load
from gan_lab.cli import UsageError
from gan_lab.exports import ABOUT, load_generator


class Parser(argparse.ArgumentParser):
    """argparse with gan-lab's errors, and ``--traceback`` as every command takes it."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.add_argument("--traceback", action="store_true", help="show where an error came from")

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} ({self.prog} --help)")

    def add_source(self, name: str, where: str) -> None:
        """A generator to draw from, where to put it, and whose classes it may be made of."""
        self.add_argument(name, metavar=name.upper(), help=where)
        self.add_argument("--device", default="cpu", help="where to compute: cpu, cuda, … (default: cpu)")
        self.add_argument(
            "--trust", action="append", default=[], metavar="PACKAGE", help="a package whose classes it may name"
        )


def drawer(path: str, device: str, trust: list[str]) -> Any:
    """What draws by ``sample(n, seed)``: the game in a checkpoint or run folder, or an exported generator.

    Raises:
        UsageError: it can't draw from nothing, or the device is not to be had.
    """
    where = device_named(device)
    source: Any = load_generator(path, where, trust) if (Path(path) / ABOUT).is_file() else load(path, where, trust)
    if not hasattr(source, "sample"):
        raise UsageError(f"a {type(source).__name__} answers images and can't draw from nothing")
    return source


def device_named(name: str) -> torch.device:
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UsageError(f"--device {name} is not to be had here ({reason}): cpu always is") from error
