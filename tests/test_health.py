"""The health callback finds the trouble that a game was built to have, and none in a game that is well."""

from functools import partial
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor

from gan_lab.callbacks import Health
from gan_lab.callbacks.health import spread
from gan_lab.data import Digits
from gan_lab.gans import GAN
from gan_lab.networks import DCGANDiscriminator, DCGANGenerator

SHAPE = (1, 8, 8)


class Collapsed(DCGANGenerator):
    """Draws nearly the same image whatever the latents."""

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        return super().forward(z[:1].expand_as(z) + 0.001 * z, condition)


def played(
    rounds: int, health: Health, g: DCGANGenerator | None = None, rates: tuple[float, float] = (2e-4, 2e-4)
) -> Any:
    torch.manual_seed(0)
    adam = [partial(torch.optim.Adam, lr=rate, betas=(0.5, 0.999)) for rate in rates]
    g = g or DCGANGenerator(SHAPE, 16, width=16, base_size=2)
    d = DCGANDiscriminator(SHAPE, width=16, base_size=2)
    game = GAN(g, d, optimizers={"generator": adam[0], "discriminator": adam[1]}, reuse_fakes=False)
    trainer = pl.Trainer(
        max_steps=rounds, max_epochs=-1, limit_val_batches=0, logger=False, enable_progress_bar=False,
        enable_checkpointing=False, enable_model_summary=False, callbacks=[health], accelerator="cpu",
    )  # fmt: skip
    trainer.fit(game, datamodule=Digits())
    return game


def test_a_game_that_is_well_is_left_alone() -> None:
    health = Health(every=40, after=320)
    played(500, health)
    assert health.told == {}


def test_collapse_is_told_once_and_stops_where_asked() -> None:
    health = Health(every=10, after=0, stop=True)
    with pytest.warns(UserWarning, match=r"collapse in round 30: fakes lie \d+% as far apart as reals"):
        game = played(200, health, Collapsed(SHAPE, 16, width=16, base_size=2, norm="none"))
    assert health.told["collapse"] == 30
    assert game.rounds == 30


def test_saturation_is_told() -> None:
    """A generator that hardly moves against a quick critic."""
    health = Health(every=20, after=0, diversity=0.0)
    with pytest.warns(UserWarning, match="saturation in round"):
        played(400, health, rates=(1e-7, 2e-3))
    assert set(health.told) == {"saturation"}


def test_looking_changes_nothing() -> None:
    looked, alone = (played(20, Health(every=every, after=0)).state_dict() for every in (5, 10_000))
    assert all(torch.equal(looked[key], alone[key]) for key in alone)


def test_divergence_is_told_by_the_scores() -> None:
    class Fit:
        fn = "fit"

    class Told:
        state, should_stop = Fit(), False

        def __init__(self, fid: float) -> None:
            self.callback_metrics = {"val/fid": torch.tensor(fid)}

    class Played:
        rounds = 700

    health = Health(divergence=3.0)
    for fid in (50.0, 10.0, 25.0):
        health.on_validation_end(Told(fid), Played())  # type: ignore[arg-type]
    assert health.told == {}
    with pytest.warns(UserWarning, match="divergence in round 700: FID is 31, its best was 10"):
        health.on_validation_end(Told(31.0), Played())  # type: ignore[arg-type]


def test_spread_of_known_points() -> None:
    images = torch.tensor([0.0, 3.0, 4.0]).view(3, 1, 1, 1)
    assert spread(images).item() == pytest.approx((3 + 4 + 1) / 3)
