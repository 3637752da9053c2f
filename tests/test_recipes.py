"""Recipes: what is built from one has the same one; nothing but parts is built; a stranger's code never runs."""

import inspect
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam
from torch.optim.lr_scheduler import LinearLR

import gan_lab as lab
from gan_lab import averaging, losses, networks, penalties, priors
from gan_lab.game import Game
from gan_lab.recipes import RecipeError, Recorded, build, parameters, recipe

SMALL: dict[str, Any] = {"num_classes": 3}
PARTS = [
    cls
    for module in (averaging, losses, networks, penalties, priors)
    for cls in vars(module).values()
    if inspect.isclass(cls)
    and issubclass(cls, Recorded)
    and not inspect.isabstract(cls)
    and cls not in (Recorded, penalties.Penalty)
]


def gan(cls: type = lab.GAN, **settings: Any) -> Game:
    generator = networks.MLPGenerator((2,), 3, hidden=(4,), condition=networks.OneHot(3))
    critic = networks.MLPDiscriminator((2,), hidden=(4,), condition=networks.Embedding(3, dim=2))
    return cls(generator, critic, priors.Sphere(3, radius=2.0), **settings)


GAMES = {
    "as the paper has it": lambda: gan(),
    "WGAN": lambda: gan(lab.WGAN, clip_weights=0.02),
    "everything given": lambda: gan(
        loss=losses.LeastSquares(-1.0, 1.0, 0.0),
        optimizers={"generator": partial(Adam, lr=1e-3), "discriminator": partial(SGD, lr=0.1)},
        discriminator_penalties=[penalties.R1(every=16), penalties.DRAGAN(weight=1.0)],
        ema=lab.EMA(half_life=500.0),
        schedulers={"generator": partial(LinearLR, total_iters=7)},
        clip={"generator": 1.0},
        micro_batches=2,
    ),
}
every_game = pytest.mark.parametrize("make", GAMES.values(), ids=GAMES)


@pytest.mark.parametrize("cls", PARTS, ids=lambda cls: cls.__name__)
def test_a_part_comes_back_from_its_recipe(cls: type) -> None:
    part = cls(**{name: value for name, value in SMALL.items() if name in parameters(cls)})
    written = recipe(part)
    again = build(json.loads(json.dumps(written)))
    assert type(again) is cls
    assert recipe(again) == written
    assert set(written["init_args"]) == set(parameters(cls))  # the defaults too, so that a new default changes nothing


@every_game
def test_a_game_comes_back_from_its_recipe(make: Any) -> None:
    game = make()
    written = recipe(game)
    again = build(json.loads(json.dumps(written)))
    assert type(again) is type(game)
    assert recipe(again) == written
    again.load_state_dict(game.state_dict())
    assert torch.equal(again.sample(4, seed=1), game.sample(4, seed=1))


@every_game
def test_a_checkpoint_is_data(make: Any, tmp_path: Path) -> None:
    """What Lightning saves of a game loads without executing anything, and is the game."""
    game = make()
    checkpoint: dict[str, Any] = {"state_dict": game.state_dict()}
    game.on_save_checkpoint(checkpoint)
    torch.save(checkpoint, tmp_path / "a.ckpt")
    again = lab.load(tmp_path / "a.ckpt")
    assert recipe(again) == recipe(game)
    assert torch.equal(again.sample(4, seed=1), game.sample(4, seed=1))  # type: ignore[operator]
    assert not again.training


def test_optimizers_come_as_partials_with_their_defaults_filled_in() -> None:
    written = recipe(partial(Adam, lr=1e-3))
    assert written["class_path"] in ("torch.optim.Adam", "torch.optim.adam.Adam")
    assert written["init_args"]["lr"] == 1e-3
    assert written["init_args"]["betas"] == [0.9, 0.999]
    assert "params" not in written["init_args"]
    made = build(written)
    assert isinstance(made, partial)
    optimizer = made([nn.Parameter(torch.zeros(1))])
    assert type(optimizer) is Adam
    assert optimizer.param_groups[0]["lr"] == 1e-3
    assert recipe(made) == written


def test_positional_arguments_are_arguments_too() -> None:
    assert recipe(losses.LeastSquares(1.0, b=2.0))["init_args"] == {"a": 1.0, "b": 2.0, "c": 1.0}
    with pytest.raises(RecipeError, match="name the arguments of SGD"):
        recipe(partial(SGD, 0.1))  # would be taken for the parameters


class Inner(priors.Gaussian):
    """A part of another package, whose ``__init__`` calls its parent's."""

    def __init__(self, dim: int = 5, *, shift: float = 0.0, **rest: Any) -> None:
        super().__init__(dim + 1, **rest)
        self.shift = shift


class Plain(priors.Gaussian):
    """A part without an ``__init__`` of its own."""


def test_the_outermost_arguments_are_remembered() -> None:
    assert recipe(Inner(7, shift=1.0))["init_args"] == {"dim": 7, "shift": 1.0}
    assert recipe(Plain(9))["init_args"] == {"dim": 9}


def test_classes_from_elsewhere_are_refused_unless_trusted() -> None:
    written = recipe(Inner(7))
    assert written["class_path"] == f"{__name__}.Inner"
    with pytest.raises(RecipeError, match=rf"{__name__}.Inner is from outside .*trust=\['{__name__}'\]"):
        build(written)
    assert type(build(written, trust=[__name__])) is Inner
    with pytest.raises(RecipeError, match="outside"):
        build({"class_path": f"{__name__}x.Inner"}, trust=[__name__])  # a name that only begins alike


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("gan_lab.cli.main", "is no part"),
        ("gan_lab.recipes.build", "is no part"),
        ("gan_lab.cli.UsageError", "is no part"),
        ("gan_lab.game.torch", "is no part"),
        ("torch.optim.lr_scheduler.partial", "is no part"),
        ("torch.optim.swa_utils.AveragedModel", "is no part"),
        ("torch.optim.adam.adam", "is no part"),
        ("gan_lab.losses.Nope", "does not exist"),
        ("gan_lab.nope.Nope", "does not exist"),
        ("os.system", "outside"),
        ("torch.nn.Linear", "outside"),
        ("builtins.exec", "outside"),
        ("gan_lab", "outside"),
        ("", "outside"),
    ],
)
def test_nothing_but_parts_is_built(path: str, told: str) -> None:
    with pytest.raises(RecipeError, match=told):
        build({"class_path": path, "init_args": {}})


def test_an_untrusted_module_is_not_even_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "stranger_module.py").write_text("raise SystemExit('imported')\n")
    monkeypatch.syspath_prepend(tmp_path)
    for nested in (False, True):
        plain: Any = {"class_path": "stranger_module.Loss", "init_args": {}}
        if nested:
            plain = {"class_path": "gan_lab.gans.GAN", "init_args": {"loss": plain}}
        with pytest.raises(RecipeError, match="outside"):
            build(plain)
    assert "stranger_module" not in sys.modules


@pytest.mark.parametrize(
    "thing",
    [nn.Linear(1, 1), lambda x: x, torch.zeros(2), object(), [nn.ReLU()], {"a": Adam}, partial(print, 1)],
    ids=["module", "lambda", "tensor", "object", "in a list", "class", "partial of a function"],
)
def test_what_can_not_be_written_is_refused_with_the_mend(thing: Any) -> None:
    with pytest.raises(RecipeError, match=r"can't be saved as a recipe: derive its class from gan_lab.recipes.Record"):
        recipe(thing)


class Unrecorded(nn.Module):
    """A network that does not remember its arguments."""

    shape, z_dim, condition = (2,), 3, None

    def forward(self, z: torch.Tensor, condition: Any = None) -> torch.Tensor:
        return z[:, :2]


def test_an_unrecorded_network_is_refused_before_it_is_trained() -> None:
    game = lab.GAN(Unrecorded(), networks.MLPDiscriminator((2,), hidden=(4,)), priors.Gaussian(3))  # type: ignore[arg-type]
    with pytest.raises(RecipeError, match="Unrecorded can't be saved"):
        game.setup("fit")
