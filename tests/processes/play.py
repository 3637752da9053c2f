"""Plays a game on CPU processes and writes what came of it: ``play.py GAME DEVICES ROUNDS OUT``.

Latents and the penalties' draws are made of the images, so that the same images mean the same move however many
processes share them.
"""

import json
import sys
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from gan_lab import penalties
from gan_lab.averaging import EMA
from gan_lab.data import Data, Table
from gan_lab.game import Batch
from gan_lab.gans import GAN, WGAN
from gan_lab.losses import AdversarialLoss, Hinge, NonSaturating, RelativisticPairing, Wasserstein
from gan_lab.networks import DCGANDiscriminator, DCGANGenerator, MLPDiscriminator, MLPGenerator
from gan_lab.penalties import R1, R2, GradientPenalty
from gan_lab.priors import Gaussian

SHAPE, Z = (1, 8, 8), 16
GLOBAL_BATCH = 16


class Pixels(Data):
    """64 images of random pixels."""

    shape, name = SHAPE, "pixels"

    def load(self, split: str) -> Table:
        random = torch.Generator().manual_seed(5)
        return Table(torch.rand(64, *SHAPE, generator=random) * 2 - 1, torch.arange(64) % 3)


class Determined:
    """Draws G's latents from the batch's own pixels."""

    def draw(self, batch: Batch) -> Tensor:
        return self.generator(batch[0].flatten(1)[:, :Z], None)  # type: ignore[attr-defined]


class DeterminedGAN(Determined, GAN):
    pass


class DeterminedWGAN(Determined, WGAN):
    pass


def game(name: str) -> GAN:
    loop: dict[str, Any] = {"clip": {"generator": 0.5}, "channels_last": True}
    mlp = {"generator": MLPGenerator(SHAPE, Z, [32]), "discriminator": MLPDiscriminator(SHAPE, [32])}

    def convolutional(norm: str, spectral_norm: bool = False, g_norm: str = "none") -> dict[str, Any]:
        return {
            "generator": DCGANGenerator(SHAPE, Z, width=8, base_size=2, norm=g_norm),
            "discriminator": DCGANDiscriminator(SHAPE, width=8, base_size=2, norm=norm, spectral_norm=spectral_norm),
        }

    def gan(networks: dict[str, Any], loss: AdversarialLoss, **more: Any) -> GAN:
        adam = partial(torch.optim.Adam, lr=1e-3, betas=(0.5, 0.99))
        return DeterminedGAN(
            **networks, prior=Gaussian(Z), loss=loss, optimizers={"generator": adam, "discriminator": adam}, **more
        )

    return {
        "plain": lambda: gan(mlp, NonSaturating(), **loop),
        "micro": lambda: gan(mlp, NonSaturating(), micro_batches=2, reuse_fakes=False, **loop),
        "penalised": lambda: gan(
            convolutional("layer"), Wasserstein(), discriminator_penalties=[GradientPenalty()], generator_every=5,
            micro_batches=2, ema=EMA(100), **loop,
        ),
        "lazy": lambda: gan(
            convolutional("none"), RelativisticPairing(), discriminator_penalties=[R1(every=4), R2(every=4)], **loop
        ),
        "spectral": lambda: gan(convolutional("none", True), Hinge(), **loop),
        "clipped": lambda: DeterminedWGAN(**convolutional("instance"), prior=Gaussian(Z), **loop),
        "batchnorm": lambda: gan(convolutional("batch", g_norm="batch"), NonSaturating(), **loop),
    }[name]()  # fmt: skip


class Count(pl.Callback):
    """Counts the numbers that all-reduce sends in each round, and the largest difference between processes' weights."""

    def __init__(self) -> None:
        self.sent: list[int] = []
        self._now = 0

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        send = torch.distributed.all_reduce

        def counted(tensor: Tensor, *args: Any, **kwargs: Any) -> Any:
            self._now += tensor.numel()
            return send(tensor, *args, **kwargs)

        torch.distributed.all_reduce = counted  # type: ignore[assignment]

    def on_train_batch_end(self, *args: Any) -> None:
        self.sent.append(self._now)
        self._now = 0


def main() -> None:
    warnings.filterwarnings("ignore")
    names, devices, rounds, out = sys.argv[1].split(","), int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    penalties.one_per_sample = lambda image: (image.flatten(1)[:, :1].clamp(0, 1)).view(-1, *[1] * (image.ndim - 1))
    for name in names:
        torch.manual_seed(0)
        played, count = game(name), Count()
        trainer = pl.Trainer(
            accelerator="cpu", devices=devices, strategy="game" if devices > 1 else "auto", max_steps=rounds,
            max_epochs=-1, logger=False, enable_progress_bar=False, enable_checkpointing=False,
            enable_model_summary=False, limit_val_batches=0, callbacks=[count] if devices > 1 else [],
            default_root_dir=out,
        )  # fmt: skip
        trainer.fit(played, datamodule=Pixels(batch_size=GLOBAL_BATCH // devices))
        rank = trainer.global_rank
        latents = torch.randn(4).tolist()
        torch.save(played.state_dict(), out / f"{name}-{devices}-{rank}.pt")
        facts = {"sent": count.sent, "latents": latents, "images": played.images_seen, "moves": played.moves}
        facts["sizes"] = {p: sum(t.numel() for t in owned) for p, owned in played._owned.items()}
        (out / f"{name}-{devices}-{rank}.json").write_text(json.dumps(facts))
        trainer.save_checkpoint(out / f"{name}-{devices}.ckpt", weights_only=False)


if __name__ == "__main__":
    main()
