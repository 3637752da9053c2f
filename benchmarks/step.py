"""How long does a round take, beside hand-written loops of the same networks?

    make bench                              (or: python benchmarks/step.py [--quick])

All loops run in one process and take turns, a block of steps each, so that they share whatever else the machine does;
the numbers are medians over the blocks. gan-lab is measured as it ships: inside Lightning's Trainer, with its own data
module, averaging, counters and log.
"""

import argparse
import copy
import platform
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
import torchvision
from loops import ADAM, Tuned, Tutorial
from torch.utils.data import DataLoader
from torchvision.transforms import Compose, Normalize, ToTensor

from gan_lab.averaging import EMA
from gan_lab.data import MNIST, Data, Digits, Images, Table
from gan_lab.gans import GAN
from gan_lab.networks import DCGANDiscriminator, DCGANGenerator


class Noise(Images):
    """Random images of a shape, in memory."""

    name = "noise"

    def __init__(self, shape: tuple[int, ...], batch_size: int, count: int) -> None:
        super().__init__(batch_size=batch_size)
        self.shape, self.count = shape, count

    def load(self, split: str) -> Table:
        return Table(torch.randint(0, 256, (self.count, *self.shape), dtype=torch.uint8), None)


class TakeTurns(pl.Callback):
    """Between blocks of gan-lab's rounds, lets the other loops run a block each."""

    def __init__(self, others: dict[str, Callable[[], Any]], block: int, warm_up: int) -> None:
        self.others, self.block, self.warm_up = others, block, warm_up
        self.times: dict[str, list[float]] = {name: [] for name in ("gan-lab", *others)}
        self.since: float | None = None

    def on_train_batch_end(self, trainer: pl.Trainer, game: Any, *args: Any) -> None:
        if game.rounds % self.block:
            return
        if self.since is not None:
            self.times["gan-lab"].append((time.perf_counter() - self.since) / self.block)
        for name, step in self.others.items():
            begin = time.perf_counter()
            for _ in range(self.block):
                step()
            if self.since is not None:
                self.times[name].append((time.perf_counter() - begin) / self.block)
        if game.rounds >= self.warm_up:
            self.since = time.perf_counter()


def measured(
    data: Data, networks: dict[str, Any], z_dim: int, block: int, blocks: int, loader: Any
) -> dict[str, float]:
    """Median seconds a step of each loop; `loader`: what feeds the tutorial's loop, None: batches made beforehand."""
    g = DCGANGenerator(data.shape, z_dim, **networks)
    d = DCGANDiscriminator(data.shape, **networks)
    adam = partial(torch.optim.Adam, fused=True, **ADAM)
    game = GAN(copy.deepcopy(g), copy.deepcopy(d), optimizers={"generator": adam, "discriminator": adam}, ema=EMA())
    tutorial = Tutorial(copy.deepcopy(g), copy.deepcopy(d), z_dim)
    tuned = Tuned(copy.deepcopy(g), copy.deepcopy(d), z_dim, average=copy.deepcopy(g))
    batch = torch.rand(data.batch_size, *data.shape) * 2 - 1
    batches = endless(loader) if loader is not None else None
    others = {
        "tutorial": lambda: tutorial.step(next(batches) if batches else batch),
        "tuned": lambda: tuned.step(batch),
    }
    turns = TakeTurns(others, block, warm_up=2 * block)
    trainer = pl.Trainer(
        max_steps=block * (blocks + 2), max_epochs=-1, callbacks=[turns], limit_val_batches=0,
        logger=False, enable_progress_bar=False, enable_checkpointing=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(game, datamodule=data)
    return {name: statistics.median(times) for name, times in turns.times.items()}


def endless(loader: DataLoader) -> Any:
    while True:
        for images, _ in loader:
            yield images


def random_mnist(root: Path, count: int = 60_000) -> None:
    """Files in MNIST's own layout, of random pixels."""
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    random = np.random.default_rng(0)
    for part, n in (("train", count), ("t10k", 1000)):
        header = np.array([0x803, n, 28, 28], dtype=">i4").tobytes()
        pixels = random.integers(0, 256, (n, 28, 28), dtype=np.uint8).tobytes()
        (raw / f"{part}-images-idx3-ubyte").write_bytes(header + pixels)
        labels = random.integers(0, 10, n, dtype=np.uint8).tobytes()
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(np.array([0x801, n], dtype=">i4").tobytes() + labels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few blocks, to see that it runs")
    blocks = 3 if parser.parse_args().quick else 15
    warnings.filterwarnings("ignore")
    torch.manual_seed(0)
    print(f"{date.today()}, torch {torch.__version__}, {torch.get_num_threads()} threads, {platform.machine()}\n")
    print("| case | gan-lab | (a) tutorial | (b) tuned | gan-lab / (a) | gan-lab / (b) |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        random_mnist(Path(folder))
        mnist = torchvision.datasets.MNIST(folder, transform=Compose([ToTensor(), Normalize((0.5,), (0.5,))]))
        loader = DataLoader(mnist, batch_size=64, shuffle=True, drop_last=True, num_workers=2, persistent_workers=True)
        cases = [
            ("DCGAN 64×64×3, width 64, batch 64", Noise((3, 64, 64), 64, 1024), {"width": 64}, 100, 1, None),
            ("digits DCGAN 8×8, batch 64", Digits(), {"width": 64, "base_size": 2}, 64, 50, None),
            (
                "28×28, 60,000 images, data included",
                MNIST(folder, download=False, validation=64),
                {"width": 32},
                64,
                10,
                loader,
            ),
        ]
        for name, data, networks, z_dim, block, feed in cases:
            seconds = measured(data, networks, z_dim, block, blocks, feed)
            ours, a, b = (1000 * seconds[loop] for loop in ("gan-lab", "tutorial", "tuned"))
            print(f"| {name} | {ours:.1f} ms | {a:.1f} ms | {b:.1f} ms | {ours / a:.2f} | {ours / b:.2f} |", flush=True)


if __name__ == "__main__":
    main()
