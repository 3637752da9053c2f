"""The loop is proven on games that no variant plays yet: who moves, how often, and what comes back after a kill."""

from functools import partial
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.data import DataLoader, TensorDataset

from gan_lab.game import Batch, Game, NonFinite, Terms, Turn
from gan_lab.recipes import build, recipe

SGD = partial(torch.optim.SGD, lr=0.05)
ADAM = partial(torch.optim.Adam, lr=1e-3)


def mlp(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, 8), nn.LeakyReLU(0.2), nn.Linear(8, outputs))


class Tiny(Game):
    """A generator of points and a critic; the turns are the test's."""

    def __init__(self, optimizers: Any = None, **loop: Any) -> None:
        super().__init__(optimizers or dict.fromkeys(self.names, SGD), **loop)
        self.g, self.d = mlp(4, 2), mlp(2, 1)

    names: tuple[str, ...] = ("d", "g")

    def players(self) -> dict[str, list[nn.Module]]:
        return {"d": [self.d], "g": [self.g]}

    def turns(self) -> list[Turn]:
        return [Turn("d", self.d_loss), Turn("g", self.g_loss)]

    def draw(self, batch: Batch) -> Tensor:
        return self.g(torch.randn(len(batch[0]), 4))

    def d_loss(self, batch: Batch) -> Terms:
        fake = self.draw(batch).detach()
        softplus = nn.functional.softplus
        return {"real": softplus(-self.d(batch[0])).mean(), "fake": softplus(self.d(fake)).mean()}

    def g_loss(self, batch: Batch) -> Terms:
        return {"adversarial": nn.functional.softplus(-self.d(self.draw(batch))).mean()}

    def fakes(self, batch: Batch) -> Tensor:
        return self.draw(batch)


class FiveToOne(Tiny):
    """The critic moves five times to the generator's once."""

    def turns(self) -> list[Turn]:
        return [Turn("d", self.d_loss), Turn("g", self.g_loss, every=5)]


class OneToTwo(Tiny):
    """The generator moves twice to the critic's once."""

    def turns(self) -> list[Turn]:
        return [Turn("d", self.d_loss, every=2), Turn("g", self.g_loss)]


class ThreePlayers(Tiny):
    """An encoder moves third, and lowers the error of what it encodes."""

    names = ("d", "g", "e")

    def __init__(self, **loop: Any) -> None:
        super().__init__(**loop)
        self.e = mlp(2, 4)

    def players(self) -> dict[str, list[nn.Module]]:
        return {"d": [self.d], "g": [self.g], "e": [self.e]}

    def turns(self) -> list[Turn]:
        return [*super().turns(), Turn("e", self.e_loss)]

    def e_loss(self, batch: Batch) -> Terms:
        return {"reconstruction": (self.g(self.e(batch[0])) - batch[0]).square().mean()}


class TwoNetworks(Tiny):
    """One player owns the generator and an encoder, and moves both at once."""

    def __init__(self, **loop: Any) -> None:
        super().__init__(**loop)
        self.e = mlp(2, 4)

    def players(self) -> dict[str, list[nn.Module]]:
        return {"d": [self.d], "g": [self.g, self.e]}

    def g_loss(self, batch: Batch) -> Terms:
        cycle = (self.g(self.e(batch[0])) - batch[0]).square().mean()
        return {**super().g_loss(batch), "cycle": cycle}


class Unrolled(Tiny):
    """The generator looks through two updates of the critic and differentiates through them (Metz et al. 2017)."""

    def g_loss(self, batch: Batch) -> Terms:
        fake = self.draw(batch)
        weights = dict(self.d.named_parameters())
        for _ in range(2):
            real, made = (functional_call(self.d, weights, (x,)) for x in (batch[0], fake))
            loss = nn.functional.softplus(-real).mean() + nn.functional.softplus(made).mean()
            grads = torch.autograd.grad(loss, list(weights.values()), create_graph=True)
            weights = {name: w - 0.1 * g for (name, w), g in zip(weights.items(), grads, strict=True)}
        return {"adversarial": -nn.functional.softplus(functional_call(self.d, weights, (fake,))).mean()}


class Grown(nn.Module):
    """A network that begins with one layer and uses the second from stage 1 on."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.early, self.late = mlp(inputs, outputs), mlp(inputs, outputs)
        self.register_buffer("stage", torch.tensor(0))

    def forward(self, x: Tensor) -> Tensor:
        return torch.where(self.stage > 0, self.early(x) + self.late(x), self.early(x))


class Growing(Tiny):
    """Networks follow a `stage` buffer, which the game raises at its tenth round."""

    def __init__(self, **loop: Any) -> None:
        super().__init__(**loop)
        self.g, self.d = Grown(4, 2), Grown(2, 1)

    def after_turn(self, turn: Turn) -> None:
        if self.rounds == 9:
            for network in (self.g, self.d):
                network.stage.fill_(1)


GAMES = [Tiny, FiveToOne, OneToTwo, ThreePlayers, TwoNetworks, Unrolled, Growing]
every_game = pytest.mark.parametrize("kind", GAMES, ids=lambda kind: kind.__name__)


def data(n: int = 64) -> DataLoader:
    points = torch.randn(n, 2, generator=torch.Generator().manual_seed(1)) + 2
    return DataLoader(TensorDataset(points), batch_size=16)


def trainer(rounds: int, **settings: Any) -> pl.Trainer:
    quiet = {"logger": False, "enable_progress_bar": False, "enable_checkpointing": False}
    quiet |= {"enable_model_summary": False, "accelerator": "cpu"}
    return pl.Trainer(max_steps=rounds, max_epochs=-1, **(quiet | settings))


def played(kind: type[Game], rounds: int, **loop: Any) -> Game:
    torch.manual_seed(0)
    game = kind(**loop)
    trainer(rounds).fit(game, data())
    return game


def state(game: Game) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in game.state_dict().items()}


@every_game
def test_a_turn_moves_its_own_player_and_no_other(kind: type[Game]) -> None:
    """Nothing of another player's moves or gets a gradient, and every network of one's own does within 20 rounds."""
    moved: set[str] = set()

    class Watched(kind):  # type: ignore[misc, valid-type]
        def play(self, turn: Turn, optimizer: Any, parts: list[Batch]) -> None:
            others = [p for name, nets in self.players().items() if name != turn.player for p in parameters(nets)]
            for parameter in self.parameters():
                parameter.grad = None
            before = [p.detach().clone() for p in others]
            super().play(turn, optimizer, parts)
            assert all(p.grad is None for p in others)
            assert all(torch.equal(a, b) for a, b in zip(before, others, strict=True))
            for index, network in enumerate(self.players()[turn.player]):
                if all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters()):
                    moved.add(f"{turn.player}{index}")

    game = played(Watched, 20)
    assert moved == {f"{name}{i}" for name, networks in game.players().items() for i in range(len(networks))}


def parameters(networks: list[nn.Module]) -> list[nn.Parameter]:
    return [parameter for network in networks for parameter in network.parameters()]


@every_game
def test_a_round_counts_once(kind: type[Game]) -> None:
    torch.manual_seed(0)
    game = kind()
    run = trainer(23)
    run.fit(game, data())
    assert run.global_step == game.rounds == 23
    assert game.images_seen == 23 * 16
    assert game.moves == {turn.player: 23 // turn.every for turn in game.turns()}


@every_game
@pytest.mark.parametrize("first", [7, 8], ids=["mid-epoch", "epoch's end"])
def test_a_resumed_run_is_the_same_run(kind: type[Game], first: int, tmp_path: Any) -> None:
    torch.manual_seed(0)
    straight = kind()
    trainer(24).fit(straight, Positioned())
    torch.manual_seed(0)
    game = kind()
    run = trainer(first)
    run.fit(game, Positioned())
    run.save_checkpoint(tmp_path / "a.ckpt", weights_only=False)
    torch.manual_seed(99)
    again = kind()
    trainer(24).fit(again, Positioned(), ckpt_path=tmp_path / "a.ckpt", weights_only=True)
    for name, tensor in straight.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name
    assert (again.rounds, again.images_seen, again.moves) == (straight.rounds, straight.images_seen, straight.moves)


class Positioned:
    """The batches of `data`, which know how far they are."""

    def __init__(self) -> None:
        self.position = 0
        self.batches = list(data())  # a DataLoader draws a seed from the global stream whenever it is begun

    def __len__(self) -> int:
        return 4

    def __iter__(self) -> Any:
        while True:
            batch, self.position = self.batches[self.position], (self.position + 1) % 4
            yield batch
            if self.position == 0:
                return

    def state_dict(self) -> dict[str, int]:
        return {"position": self.position}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.position = state["position"]


@every_game
def test_recipe_and_checkpoint_bring_the_game_back(kind: type[Game], tmp_path: Any) -> None:
    torch.manual_seed(0)
    game = kind(optimizers=dict.fromkeys(kind.names, ADAM)) if kind is Tiny else kind()
    assert recipe(build(recipe(game), trust=[__name__])) == recipe(game)
    run = trainer(5)
    run.fit(game, data())
    run.save_checkpoint(tmp_path / "a.ckpt", weights_only=False)
    loaded = Game.load_from_checkpoint(tmp_path / "a.ckpt", trust=[__name__])
    assert type(loaded) is kind
    torch.manual_seed(3)
    expected = game.fakes((torch.zeros(4, 2),))
    torch.manual_seed(3)
    assert torch.equal(loaded.fakes((torch.zeros(4, 2),)), expected)


def test_micro_batches_change_nothing_but_the_memory() -> None:
    """The gradient is the batch's, uneven parts included; a mean of parts' means would be another."""

    class Fixed(Tiny):
        def draw(self, batch: Batch) -> Tensor:
            return self.g(torch.cat([batch[0], batch[0]], dim=1))  # no randomness, so that parts can be compared

    whole, parts = (played(Fixed, 6, micro_batches=m) for m in (1, 3))
    for a, b in zip(whole.parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-7)


def test_clip_bounds_the_step() -> None:
    """Under SGD with rate 1 a step is as long as the gradient, which `clip` bounds for the player that it names."""
    torch.manual_seed(0)
    sgd = partial(torch.optim.SGD, lr=1.0)
    game = Tiny(optimizers={"d": sgd, "g": sgd}, clip={"g": 1e-3})
    before = state(game)
    trainer(1).fit(game, data())

    def length(of: str) -> float:
        return sum((t - before[k]).square().sum() for k, t in game.state_dict().items() if k[0] == of).sqrt().item()

    assert length("g") == pytest.approx(1e-3, rel=1e-3)
    assert length("d") > 1e-2


def test_schedules_step_once_a_round() -> None:
    halve = partial(torch.optim.lr_scheduler.StepLR, step_size=5, gamma=0.5)
    game = played(FiveToOne, 10, schedulers={"g": halve})
    optimizers = game.optimizers(use_pl_optimizer=False)
    rates = dict(zip(game.players(), (o.param_groups[0]["lr"] for o in optimizers), strict=True))
    assert rates == {"d": 0.05, "g": 0.05 / 4}


@pytest.mark.parametrize("poison", ["real", "adversarial"])
def test_a_number_that_is_none_stops_the_run_and_is_named(poison: str, tmp_path: Any) -> None:
    class Poisoned(Tiny):
        def d_loss(self, batch: Batch) -> Terms:
            return self.spoil(super().d_loss(batch))

        def g_loss(self, batch: Batch) -> Terms:
            return self.spoil(super().g_loss(batch))

        def spoil(self, terms: Terms) -> Terms:
            if self.rounds == 13 and poison in terms:
                terms[poison] = terms[poison] * float("nan")
            return terms

    game, run = Poisoned(), trainer(50, log_every_n_steps=10)
    player = "d" if poison == "real" else "g"
    with pytest.raises(NonFinite, match=f"the {player}'s turn gave nan in its term {poison} in round 13"):
        run.fit(game, data())
    with pytest.raises(NonFinite, match="not finite"):
        run.save_checkpoint(tmp_path / "a.ckpt", weights_only=False)
    assert not (tmp_path / "a.ckpt").exists()


def test_the_log_holds_the_means_since_the_last_line() -> None:
    seen: list[float] = []

    class Counted(Tiny):
        def d_loss(self, batch: Batch) -> Terms:
            return {"round": self.d(batch[0]).mean() * 0 + self.rounds}

    class Line(pl.Callback):
        def on_train_batch_end(self, trainer: pl.Trainer, *args: Any) -> None:
            if "d/round" in trainer.callback_metrics:
                seen.append(float(trainer.callback_metrics["d/round"]))

    torch.manual_seed(0)
    trainer(20, log_every_n_steps=10, callbacks=[Line()]).fit(Counted(), data())
    assert sorted(set(seen)) == [np.mean(range(10)), np.mean(range(10, 20))]


def test_refusals() -> None:
    with pytest.raises(ValueError, match="optimizers are for d"):
        trainer(1).fit(Tiny(optimizers={"d": SGD}), data())
    with pytest.raises(ValueError, match="clip names x, but the players are d, g"):
        trainer(1).fit(Tiny(clip={"x": 1.0}), data())

    class Never(Tiny):
        def turns(self) -> list[Turn]:
            return [turn._replace(every=2) for turn in super().turns()]

    with pytest.raises(ValueError, match="no player moves every round"):
        trainer(1).fit(Never(), data())
