"""``gan-lab doctor``: is this machine fit to train on? Each line says what was found, and the mend."""

import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

import pytorch_lightning as pl
import torch
from rich.console import Console

from gan_lab.callbacks.summary import PACKAGES
from gan_lab.cli import UsageError
from gan_lab.cli.parsing import Parser
from gan_lab.cli.quiet import hush
from gan_lab.data import Digits
from gan_lab.gans import GAN
from gan_lab.metrics import cache
from gan_lab.networks import DCGANDiscriminator, DCGANGenerator
from gan_lab.version import __version__

ROUNDS = 10
ENOUGH = 2 * 2**30  # bytes of free disk that a run with its checkpoints may ask for


class Finding(NamedTuple):
    """What was looked at, what was found, and whether it is well."""

    what: str
    found: str
    well: bool = True


def main() -> None:
    """Look at everything, and fail where something is not well."""
    parser = Parser(prog="gan-lab doctor", description="Look at what a run needs: versions, devices, disk, ten rounds.")
    parser.parse_args(sys.argv[2:])
    hush()
    console, ill = Console(), []
    for look in (versions, devices, places, rounds):
        for finding in look():
            mark = "[green]ok[/]" if finding.well else "[red]!![/]"
            console.print(f"{mark}  [bold]{finding.what:<18}[/] {finding.found}", highlight=False, soft_wrap=True)
            ill += [] if finding.well else [finding.what]
    if ill:
        raise UsageError(f"not well: {', '.join(ill)}")


def versions() -> Iterator[Finding]:
    """gan-lab, Python and the libraries that decide what a run computes."""
    yield Finding("gan-lab", f"{__version__} on Python {platform.python_version()}, {platform.platform()}")
    for package in PACKAGES:
        try:
            yield Finding(package, version(package))
        except PackageNotFoundError:
            yield Finding(package, "is not installed: pip install lightning-gan-lab", well=False)


def devices() -> Iterator[Finding]:
    """What Lightning would train on, and how several of them would share a game."""
    trainer = pl.Trainer(logger=False, enable_checkpointing=False, enable_progress_bar=False)
    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    cores = f"{os.cpu_count()} cores, {torch.get_num_threads()} threads"
    yield Finding("devices", ", ".join(names) if names else f"no GPU that torch can use; CPU with {cores}")
    alone = trainer.world_size == 1
    yield Finding("strategy", "one device" if alone else f"game, on {trainer.world_size} devices")


def places() -> Iterator[Finding]:
    """Where runs and caches lie: can they be written, and is there room?"""
    for what, folder in (("runs", Path("runs")), ("cache", cache.directory())):
        nearest = next(place for place in (folder, *folder.absolute().parents) if place.exists())
        free = shutil.disk_usage(nearest).free
        room = f"{folder}, {free / 2**30:.0f} GiB free"
        if not _writable(nearest):
            yield Finding(what, f"{folder} can't be written: give another folder", well=False)
        else:
            yield Finding(what, room if free >= ENOUGH else f"{room}: make room", well=free >= ENOUGH)


def rounds() -> Iterator[Finding]:
    """Ten rounds of a small game on real digits."""
    data = Digits()
    game = GAN(DCGANGenerator(data.shape, width=16, base_size=2), DCGANDiscriminator(data.shape, width=16, base_size=2))
    trainer = pl.Trainer(
        max_steps=ROUNDS, max_epochs=-1, limit_val_batches=0, devices=1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    begin = time.perf_counter()
    try:
        trainer.fit(game, datamodule=data)
    except Exception as error:
        yield Finding("ten rounds", f"failed: {' '.join(str(error).split())}", well=False)
        return
    took = time.perf_counter() - begin
    yield Finding("ten rounds", f"played on {trainer.strategy.root_device} in {took:.1f} s", well=game.rounds == ROUNDS)


def _writable(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
