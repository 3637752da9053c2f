"""What a run came to, as ``summary.json`` and as a table on the screen."""

import json
import os
import platform
import resource
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from rich.console import Console

from gan_lab.callbacks.checkpoints import Checkpoints
from gan_lab.callbacks.scores import Scores, table
from gan_lab.game import Game
from gan_lab.version import __version__

PACKAGES = ("torch", "torchvision", "pytorch-lightning", "torchmetrics", "torch-fidelity", "numpy", "scikit-learn")


class Summary(pl.Callback):
    """Writes ``summary.json``: scores with protocol and floor, at the best checkpoint and at the last; rounds, images,
    seconds of training, images per second, peak memory in MiB, versions, seed, git commit and command.

    Seconds leave out the scoring and add up over resumed parts of a run.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._since: float | None = None

    def on_train_start(self, trainer: pl.Trainer, game: Game) -> None:  # type: ignore[override]
        self._since = time.monotonic()

    def on_train_end(self, trainer: pl.Trainer, game: Game) -> None:  # type: ignore[override]
        self._settle()

    def on_validation_start(self, trainer: pl.Trainer, game: Game) -> None:  # type: ignore[override]
        self._settle()
        self._since = None

    def on_validation_end(self, trainer: pl.Trainer, game: Game) -> None:  # type: ignore[override]
        self._since = time.monotonic()

    def on_fit_end(self, trainer: pl.Trainer, game: Game) -> None:  # type: ignore[override]
        if not trainer.is_global_zero:
            return
        summary = self.collect(trainer, game)
        path = Path(trainer.default_root_dir) / "summary.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        half = path.with_suffix(".tmp")
        half.write_text(json.dumps(summary, indent=2) + "\n")
        os.replace(half, path)
        rate = summary["images_per_second"]
        console, speed = Console(file=sys.stderr), f", {rate:.0f} images/s" if rate else ""
        console.print(
            f"{summary['rounds']} rounds, {summary['images']} images, {summary['seconds']:.0f} s{speed}",
            highlight=False,
        )
        if summary["scores"]:
            console.print(table({"best": summary["scores"], "last": summary["last"]}))

    def collect(self, trainer: pl.Trainer, game: Game) -> dict[str, Any]:
        """The summary as plain data."""
        scores = next((c for c in trainer.callbacks if isinstance(c, Scores)), None)  # type: ignore[attr-defined]
        kept = next((c for c in trainer.callbacks if isinstance(c, Checkpoints)), None)  # type: ignore[attr-defined]
        best_round = kept.best_round if kept else None
        history = scores.history if scores else {}
        chosen = history.get(best_round or game.rounds, {})
        return {
            "scores": chosen,
            "best_round": best_round,
            "last": history.get(game.rounds, {}),
            "rounds": game.rounds,
            "images": game.images_seen,
            "moves": game.moves,
            "seconds": round(self.seconds, 3),
            "images_per_second": round(game.images_seen / self.seconds, 1) if self.seconds else None,
            "peak_memory_mib": _peak_memory(),
            "device": torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor() or "cpu",
            "devices": trainer.world_size,
            "seed": int(os.environ["PL_GLOBAL_SEED"]) if "PL_GLOBAL_SEED" in os.environ else None,
            "versions": {"gan-lab": __version__, "python": platform.python_version(), **_versions()},
            "git_commit": _git_commit(),
            "command": " ".join(["gan-lab", *sys.argv[1:]]),
        }

    def state_dict(self) -> dict[str, Any]:
        self._settle()
        return {"seconds": self.seconds}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.seconds = state["seconds"]

    def _settle(self) -> None:
        if self._since is not None:
            now = time.monotonic()
            self.seconds += now - self._since
            self._since = now


def _peak_memory() -> float:
    if torch.cuda.is_available():
        return round(torch.cuda.max_memory_allocated() / 2**20, 1)
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss is in bytes on macOS, in KiB elsewhere
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20, 1)


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _git_commit() -> str | None:
    """The commit of the folder that the run was started in, with ``-dirty`` where files differ from it."""
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return described.stdout.strip() or None
