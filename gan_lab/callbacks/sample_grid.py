"""Pictures of what the game draws, from the same latents each time, so that a person sees it learn."""

from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from PIL import Image
from pytorch_lightning.loggers import TensorBoardLogger, WandbLogger
from pytorch_lightning.utilities import rank_zero_only

from gan_lab.game import Batch, Game
from gan_lab.pictures import picture
from gan_lab.sampling import seeded


class SampleGrid(pl.Callback):
    """Writes ``samples/<round>.png`` in the run folder, and ``samples/animation.gif`` of them at the end.

    Each goes to every logger in use too (W&B, TensorBoard). The latents and conditions are the same each time and come
    from a stream of their own, so that drawing changes nothing in the training.

    Args:
        every: rounds between pictures; there is one before the first round and one after the last.
        num: samples in a picture.
        seed: of the latents.
    """

    def __init__(self, every: int = 500, num: int = 64, seed: int = 0) -> None:
        self.every = every
        self.num = num
        self.seed = seed
        self._batch: Batch | None = None

    def on_train_start(self, trainer: pl.Trainer, game: Game) -> None:  # type: ignore[override]
        self._batch = self._fixed_batch(trainer, game)
        self.folder = Path(trainer.default_root_dir) / "samples"
        if trainer.is_global_zero:
            for path in self.folder.glob("*.png"):
                if path.stem.isdigit() and (int(path.stem) > game.rounds or game.rounds == 0):
                    path.unlink()  # of a round that is played again
        if game.rounds == 0:
            self.draw(trainer, game)

    def on_train_batch_end(self, trainer: pl.Trainer, game: Game, *args: Any) -> None:  # type: ignore[override]
        if game.rounds % self.every == 0:
            self.draw(trainer, game)

    def on_train_end(self, trainer: pl.Trainer, game: Game) -> None:  # type: ignore[override]
        self.draw(trainer, game)
        if trainer.is_global_zero:
            self._animate()

    @torch.no_grad()
    def draw(self, trainer: pl.Trainer, game: Game) -> None:
        """Draw the picture of this round, unless it is there."""
        path = self.folder / f"{game.rounds:07d}.png"
        if path.exists() or self._batch is None:
            return
        game.eval()
        with seeded(self.seed):
            image = picture(game.fakes(self._batch), self._batch[0] if self._batch[0].ndim == 2 else None)
        game.train()
        if trainer.is_global_zero:
            path.parent.mkdir(parents=True, exist_ok=True)
            image.save(path)
            self._log(trainer, image)

    def _fixed_batch(self, trainer: pl.Trainer, game: Game) -> Batch | None:
        """The first held-out images, by class where they have classes."""
        loader = trainer.datamodule.val_dataloader()  # type: ignore[attr-defined]
        held: list[Batch] = []
        for batch in loader:
            held.append(batch)
            if sum(len(images) for images, *_ in held) >= self.num:
                break
        batch = tuple(torch.cat(tensors)[: self.num] for tensors in zip(*held, strict=True))
        if len(batch) > 1 and batch[1].ndim == 1:
            order = torch.argsort(batch[1], stable=True)
            batch = tuple(tensor[order] for tensor in batch)
        batch = tuple(tensor.to(game.device) for tensor in batch)
        return trainer.datamodule.on_after_batch_transfer(batch, 0)  # type: ignore[attr-defined]

    @rank_zero_only
    def _log(self, trainer: pl.Trainer, image: Image.Image) -> None:
        levels = np.asarray(image.convert("RGB"))
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                logger.log_image("samples", [levels], step=trainer.global_step)
            elif isinstance(logger, TensorBoardLogger):
                logger.experiment.add_image("samples", levels, trainer.global_step, dataformats="HWC")

    def _animate(self) -> None:
        frames = [Image.open(path).convert("RGB") for path in sorted(self.folder.glob("*.png"))]
        if len(frames) > 1:
            pause = [max(100, 8000 // len(frames))] * (len(frames) - 1) + [2000]  # milliseconds
            frames[0].save(
                self.folder / "animation.gif", save_all=True, append_images=frames[1:], duration=pause, loop=0
            )
