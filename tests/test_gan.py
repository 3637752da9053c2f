"""The laws of `GAN` and `WGAN`: which gradients the players get, what penalties weigh, how samples are drawn."""

from functools import partial
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from gan_lab import EMA, GAN, WGAN
from gan_lab.game import Batch, Turn
from gan_lab.losses import AdversarialLoss, NonSaturating, RelativisticPairing, Wasserstein
from gan_lab.networks import MLPDiscriminator, MLPGenerator, OneHot
from gan_lab.penalties import R1, R2, DiscriminatorPenalty, GeneratorPenalty, GradientPenalty
from gan_lab.priors import Gaussian, Prior

SGD = partial(torch.optim.SGD, lr=0.05)
BATCH = 16


def gan(cls: type[GAN] = GAN, classes: int = 0, norm: Any = "none", **settings: Any) -> GAN:
    torch.manual_seed(0)
    conditions = [OneHot(classes) if classes else None for _ in range(2)]
    settings = {"optimizers": {"generator": SGD, "discriminator": SGD}, "channels_last": False} | settings
    return cls(
        MLPGenerator((2,), 3, hidden=(8,), norm=norm, condition=conditions[0]),
        MLPDiscriminator((2,), hidden=(8,), condition=conditions[1]),
        settings.pop("prior", Gaussian(3)),
        **settings,
    )


def points(classes: int = 0) -> DataLoader:
    random = torch.Generator().manual_seed(1)
    labels = [torch.arange(64) % classes] if classes else []
    return DataLoader(TensorDataset(torch.randn(64, 2, generator=random) + 2, *labels), batch_size=BATCH)


def played(game: GAN, rounds: int, classes: int = 0) -> GAN:
    quiet = dict.fromkeys(("logger", "enable_progress_bar", "enable_checkpointing", "enable_model_summary"), False)
    torch.manual_seed(5)
    trainer = pl.Trainer(max_steps=rounds, max_epochs=-1, accelerator="cpu", log_every_n_steps=1, **quiet)
    trainer.fit(game, points(classes))
    return game


def gradients(game: nn.Module) -> list[Tensor]:
    return [p.grad.clone() for p in game.parameters() if p.grad is not None]


class Watched(GAN):
    """Remembers, round by round, what it drew, what it judged, and the gradients that followed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.drawn: list[Tensor] = []
        self.judged: list[Tensor] = []
        self.answered: list[tuple[list[Tensor], list[Tensor]]] = []

    def draw(self, batch: Batch) -> Tensor:
        fake = super().draw(batch)
        self.drawn.append(fake.detach().clone())
        return fake

    def fake_to_judge(self, batch: Batch) -> Tensor:
        fake = super().fake_to_judge(batch)
        self.judged.append(fake.clone())
        assert not fake.requires_grad
        return fake

    def after_turn(self, turn: Turn) -> None:
        super().after_turn(turn)
        if turn.player == "generator":
            got = [p.grad.clone() for p in self.generator.parameters()]  # type: ignore[union-attr]
            self.answered.append((got, [p.detach().clone() for p in self.discriminator.parameters()]))


def test_reused_fakes_give_the_gradient_of_the_very_fakes_that_were_judged() -> None:
    """∂/∂θ L_G(D'(G(z))) by hand: the z of the discriminator's turn, the critic D' after that turn."""
    game = gan(Watched)
    before = [p.detach().clone() for p in game.generator.parameters()]
    torch.manual_seed(5)
    state = torch.get_rng_state()
    assert isinstance(game, Watched)
    played(game, 1)
    assert len(game.drawn) == 1  # one pass of the generator serves both turns
    assert torch.equal(game.drawn[0], game.judged[0])
    answered, critic = game.answered[0]
    by_hand = gan()
    for parameter, value in zip(by_hand.discriminator.parameters(), critic, strict=True):
        parameter.data.copy_(value)
    for parameter, value in zip(by_hand.generator.parameters(), before, strict=True):
        assert torch.equal(parameter, value)
    torch.set_rng_state(state)
    z = next(z for z in latents(by_hand) if torch.allclose(by_hand.generator(z), game.judged[0]))
    NonSaturating().generator(by_hand.discriminator(by_hand.generator(z))).backward()
    for ours, theirs in zip(gradients(by_hand.generator), answered, strict=True):
        torch.testing.assert_close(ours, theirs)


def latents(game: GAN) -> Any:
    """The draws that a stream goes on to give; the loader may have drawn a seed of its own before."""
    for skipped in range(4):
        with torch.random.fork_rng():
            for _ in range(skipped):
                torch.empty((), dtype=torch.int64).random_()
            yield game.prior(BATCH)


def test_fresh_fakes_are_drawn_for_each_turn() -> None:
    game = played(gan(Watched, reuse_fakes=False), 1)
    assert isinstance(game, Watched)
    assert len(game.drawn) == 2
    assert not torch.equal(game.drawn[0], game.drawn[1])


@pytest.mark.parametrize("reuse", [True, False])
def test_both_ways_follow_the_same_law(reuse: bool) -> None:
    """Averaged over draws, the generator's gradient at a fixed critic is the same, and not zero."""
    game = gan(optimizers=dict.fromkeys(("generator", "discriminator"), partial(torch.optim.SGD, lr=0.0)))
    exact = torch.zeros(())
    with torch.no_grad():
        torch.manual_seed(9)
        exact = NonSaturating().generator(game.discriminator(game.generator(game.prior(200_000))))
    game.reuse_fakes = reuse
    losses: list[float] = []
    original = game.generator_loss

    def kept(batch: Batch) -> dict[str, Tensor]:
        terms = original(batch)
        losses.append(terms["adversarial"].item())
        return terms

    game.generator_loss = kept  # type: ignore[method-assign]
    played(game, 200)
    mean, error = torch.tensor(losses).mean(), torch.tensor(losses).std() / 200**0.5
    assert abs(mean - exact) < 4 * error


def test_the_generator_draws_anew_where_the_discriminator_did_not_move() -> None:
    game = played(gan(Watched, discriminator_every=3), 6)
    assert isinstance(game, Watched)
    assert game.moves == {"generator": 6, "discriminator": 2}
    assert len(game.drawn) == 6
    game = played(gan(Watched, generator_every=3), 6)
    assert game.moves == {"generator": 2, "discriminator": 6}
    assert len(game.drawn) == 6  # type: ignore[attr-defined]
    assert game._drawn == {}


class Constant(DiscriminatorPenalty):
    """A value of 1, with a gradient to the critic."""

    def __init__(self, weight: float = 1.0, every: int = 1) -> None:
        super().__init__(weight, every)
        self.seen: list[int] = []

    def forward(self, critic: Any, real: Tensor, fake: Tensor) -> Tensor:
        self.seen.append(len(real))
        return 1 + 0 * critic(real).sum()


class OnLatents(GeneratorPenalty):
    """A value of 1, with a gradient to the generator."""

    def __init__(self, weight: float = 1.0, every: int = 1) -> None:
        super().__init__(weight, every)

    def forward(self, generator: nn.Module, z: Tensor) -> Tensor:
        return 1 + 0 * generator(z).sum()


@pytest.mark.parametrize("every", [1, 4])
def test_a_lazy_penalty_weighs_as_much_as_a_diligent_one(every: int) -> None:
    """weight · every in one round of every so many: over 12 rounds, 12 · weight."""
    lazy = Constant(weight=2.5, every=every)
    game = gan(discriminator_penalties=[lazy], generator_penalties=[OnLatents(weight=0.5, every=every)])
    told: list[dict[str, float]] = []

    class Told(pl.Callback):
        def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
            told.append({key: float(value) for key, value in trainer.logged_metrics.items()})

    quiet = dict.fromkeys(("logger", "enable_progress_bar", "enable_checkpointing", "enable_model_summary"), False)
    pl.Trainer(max_steps=12, max_epochs=-1, accelerator="cpu", log_every_n_steps=1, callbacks=[Told()], **quiet).fit(
        game, points()
    )
    assert lazy.seen == [BATCH] * (12 // every)
    weighed = [line for line in told if "discriminator/Constant" in line]
    assert {line["discriminator/Constant"] for line in weighed} == {2.5 * every}
    assert {line["generator/OnLatents"] for line in told if "generator/OnLatents" in line} == {0.5 * every}


@pytest.mark.parametrize("twice", ["discriminator", "generator"])
def test_two_terms_of_one_name_are_refused(twice: str) -> None:
    kind = R1 if twice == "discriminator" else OnLatents
    with pytest.raises(ValueError, match=f"two terms are named {kind.__name__}: give each penalty once"):
        gan(**{f"{twice}_penalties": [kind(every=2), kind(every=3)]})
    gan(discriminator_penalties=[R1(), R2()])


def test_penalties_reach_the_critic() -> None:
    game = played(gan(loss=Wasserstein(), discriminator_penalties=[GradientPenalty(), R1(every=2)]), 2)
    assert all(torch.isfinite(p).all() for p in game.parameters())


@pytest.mark.parametrize("ema", [None, EMA(100.0)])
def test_sampling_is_deterministic_and_leaves_the_streams_alone(ema: EMA | None) -> None:
    game = played(gan(ema=ema, norm="batch"), 3)
    state, mode = torch.get_rng_state(), game.answering.training
    first = game.sample(5, seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(game.sample(5, seed=1), first)
    assert not torch.equal(game.sample(5, seed=2), first)
    assert game.answering.training == mode
    assert first.shape == (5, 2)
    assert not first.requires_grad
    drawn = game.sample(5)
    assert not torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(game.sample(5), drawn)
    assert game.sample(600, seed=1).shape == (600, 2)


def test_the_average_answers() -> None:
    game = gan(ema=EMA(1e9, warm_up=0.0))
    start = game.sample(4, seed=0)
    played(game, 5)
    torch.testing.assert_close(game.sample(4, seed=0), start, rtol=1e-4, atol=1e-5)  # nobody moves such an average
    moment = game.generator(game.prior(4))
    assert moment.requires_grad
    game.ema = None
    assert not torch.allclose(game.sample(4, seed=0), start, atol=1e-4)


@pytest.mark.parametrize("every", [1, 3])
def test_the_average_counts_the_images_between_its_updates(every: int) -> None:
    seen: list[tuple[int, int]] = []

    class Counted(EMA):
        def update(self, network: nn.Module, images: int, images_seen: int) -> None:
            seen.append((images, images_seen))
            super().update(network, images, images_seen)

    played(gan(ema=Counted(100.0), generator_every=every), 6)
    assert seen == [(BATCH * every, BATCH * every * k) for k in range(1, 6 // every + 1)]


def test_conditional_sampling_uses_the_labels() -> None:
    game = gan(classes=3)
    turns = game.sample(6, seed=0)
    given = game.sample(6, seed=0, condition=torch.tensor([0, 1, 2, 0, 1, 2]))
    assert torch.equal(turns, given)
    other = game.sample(6, seed=0, condition=torch.tensor([0, 1, 2, 0, 1, 1]))
    assert torch.equal(other[:5], given[:5])
    assert not torch.equal(other[5], given[5])


@pytest.mark.parametrize("reuse", [True, False])
def test_micro_batches_carry_their_labels(reuse: bool) -> None:
    """Each part of a batch meets its own labels in both turns, and each part of the round moves nobody by itself."""

    class Labelled(GAN):
        def critic(self, batch: Batch) -> Any:
            assert torch.equal(batch[1], sums[tuple(batch[0][0].tolist())][: len(batch[1])])
            return super().critic(batch)

    sums = {}
    for image, label in points(3):
        for k in range(BATCH):
            sums[tuple(image[k].tolist())] = label[k:]
    game = played(gan(Labelled, classes=3, micro_batches=3, reuse_fakes=reuse), 4, classes=3)
    assert game.moves == {"generator": 4, "discriminator": 4}
    assert game.images_seen == 4 * BATCH
    assert game._drawn == {}


class Silent(Prior):
    """Latents that are all 0, so that fakes are the same however they are cut."""

    def __init__(self, dim: int = 3) -> None:
        super().__init__(dim)

    def forward(self, n: int) -> Tensor:
        return self.empty(n).zero_()


@pytest.mark.parametrize("parts", [2, 3])
def test_micro_batches_change_nothing_but_the_memory(parts: int) -> None:
    """Uneven parts, labels, a lazy penalty and reused fakes included."""
    settings: dict[str, Any] = {"classes": 3, "prior": Silent()}
    whole, cut = (
        played(gan(**settings, micro_batches=m, discriminator_penalties=[R1(every=2)]), 6, classes=3)
        for m in (1, parts)
    )
    for a, b in zip(whole.parameters(), cut.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_a_relativistic_loss_is_given_real_scores() -> None:
    given: list[Any] = []

    class Seen(RelativisticPairing):
        def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
            given.append(real)
            return super().generator(fake, real)

    game = played(gan(loss=Seen()), 3)
    assert all(real is not None and real.shape == (BATCH,) and not real.requires_grad for real in given)
    expected = game.discriminator(next(iter(points()))[0])
    assert expected.shape == given[0].shape


def test_other_losses_are_not() -> None:
    class Plain(AdversarialLoss):
        def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
            return (fake - real).mean()

        def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
            assert real is None
            return -fake.mean()

    played(gan(loss=Plain()), 2)


def test_clipping_bounds_every_weight_of_the_critic() -> None:
    game = gan(WGAN, clip_weights=0.02, optimizers=None)
    before = max(p.abs().max().item() for p in game.discriminator.parameters())
    assert before > 0.02
    free = [p.detach().clone() for p in game.generator.parameters()]
    played(game, 10)
    assert all(p.abs().max().item() <= 0.02 for p in game.discriminator.parameters())
    assert max(p.abs().max().item() for p in game.generator.parameters()) > 0.02
    assert game.moves == {"generator": 2, "discriminator": 10}
    assert any(not torch.equal(a, b) for a, b in zip(free, game.generator.parameters(), strict=True))


def test_what_does_not_fit_together_is_refused() -> None:
    generator, critic = MLPGenerator((2,), 3, hidden=(4,)), MLPDiscriminator((2,), hidden=(4,))
    with pytest.raises(ValueError, match="z_dim is 3, but the prior draws latents of size 4"):
        GAN(generator, critic, Gaussian(4))
    with pytest.raises(ValueError, match=r"the generator draws \(2,\), but the discriminator judges \(1, 8, 8\)"):
        GAN(generator, MLPDiscriminator((1, 8, 8), hidden=(4,)), Gaussian(3))
    with pytest.raises(ValueError, match="BatchNorm in the critic"):
        GAN(
            generator,
            MLPDiscriminator((2,), hidden=(4,), norm="batch"),
            Gaussian(3),
            discriminator_penalties=[GradientPenalty()],
        )
    with pytest.raises(ValueError, match="weight clipping can't be joined with spectral norm"):
        WGAN(generator, MLPDiscriminator((2,), hidden=(4,), spectral_norm=True), Gaussian(3))
    assert GAN(generator, critic).prior.dim == 3
