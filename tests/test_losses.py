"""Laws of the adversarial losses, over every member of `gan_lab.losses`."""

import inspect
import math

import numpy as np
import pytest
import torch

from gan_lab import losses
from gan_lab.losses import LeastSquares, Minimax, NonSaturating, RelativisticPairing, Wasserstein
from gan_lab.networks import MLPDiscriminator
from gan_lab.recipes import build, recipe

MEMBERS = [
    cls
    for cls in vars(losses).values()
    if inspect.isclass(cls) and issubclass(cls, losses.AdversarialLoss) and not inspect.isabstract(cls)
]
OTHERS = [NonSaturating(smoothing=0.1), LeastSquares(a=-1.0, b=1.0, c=0.0)]
LOSSES = [cls() for cls in MEMBERS] + OTHERS

R = torch.tensor([-5.0, 1.4, 12.5, 2.7], dtype=torch.float64)
F = torch.tensor([10.0, 4.4, -5.5, 3.6], dtype=torch.float64)


def sp(x):
    return np.logaddexp(0, x)


# One line for L_D and one for L_G: f(loss, r, f) in NumPy.
ORACLES = {
    "Minimax": (
        lambda loss, r, f: np.mean(sp(-r)) + np.mean(sp(f)),
        lambda loss, r, f: -np.mean(sp(f)),
    ),
    "NonSaturating": (
        lambda loss, r, f: np.mean((1 - loss.smoothing) * sp(-r) + loss.smoothing * sp(r)) + np.mean(sp(f)),
        lambda loss, r, f: np.mean(sp(-f)),
    ),
    "LeastSquares": (
        lambda loss, r, f: 0.5 * np.mean((r - loss.b) ** 2) + 0.5 * np.mean((f - loss.a) ** 2),
        lambda loss, r, f: 0.5 * np.mean((f - loss.c) ** 2),
    ),
    "Hinge": (
        lambda loss, r, f: np.mean(np.maximum(0, 1 - r)) + np.mean(np.maximum(0, 1 + f)),
        lambda loss, r, f: -np.mean(f),
    ),
    "Wasserstein": (
        lambda loss, r, f: np.mean(f) - np.mean(r),
        lambda loss, r, f: -np.mean(f),
    ),
    "RelativisticPairing": (
        lambda loss, r, f: np.mean(sp(f - r)),
        lambda loss, r, f: np.mean(sp(r - f)),
    ),
}

# Published figures for R and F: (L_D, L_G).
VECTORS = {
    "Minimax": (5.83387, -4.51082),
    "NonSaturating": (5.83387, 1.38582),
    "LeastSquares": (41.73375, 17.69625),
    "Hinge": (6.75, -3.125),
    "Wasserstein": (0.225, -3.125),
    "RelativisticPairing": (4.82244, 4.59744),
}


def name(loss):
    return recipe(loss)["class_path"].rpartition(".")[2] + str(list(recipe(loss)["init_args"].values()) or "")


def prefers(loss, r, f):
    """Whether the generator's loss falls with every fake score."""
    f = f.clone().requires_grad_()
    (slope,) = torch.autograd.grad(loss.generator(f, r), f)
    return bool((slope < 0).all())


every_loss = pytest.mark.parametrize("loss", LOSSES, ids=name)


@every_loss
def test_equals_its_numpy_version(loss):
    d, g = ORACLES[type(loss).__name__]
    r, f = R.numpy(), F.numpy()
    assert loss.discriminator(R, F).item() == pytest.approx(d(loss, r, f), abs=1e-12)
    assert loss.generator(F, R).item() == pytest.approx(g(loss, r, f), abs=1e-12)


@pytest.mark.parametrize("member", MEMBERS)
def test_published_vectors(member):
    d, g = VECTORS[member.__name__]
    assert member().discriminator(R, F).item() == pytest.approx(d, abs=1e-5)
    assert member().generator(F, R).item() == pytest.approx(g, abs=1e-5)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda r, f: sp(-1 / (1 + np.exp(-r))).mean() + sp(1 / (1 + np.exp(-f))).mean(),  # softplus of probabilities
        lambda r, f: sp(r).mean() + sp(-f).mean(),  # labels swapped
        lambda r, f: (sp(-r).mean() + sp(f).mean()) / 2,  # halved
        lambda r, f: sp(-r).sum() + sp(f).sum(),  # summed
    ],
)
def test_the_vectors_tell_wrong_losses_apart(wrong):
    assert abs(wrong(R.numpy(), F.numpy()) - VECTORS["NonSaturating"][0]) > 0.1


@every_loss
def test_twenty_gradient_steps_lower_each_players_loss(loss):
    torch.manual_seed(0)
    r, f = torch.randn(2, 16, dtype=torch.float64)
    for player in (lambda r, f: loss.discriminator(r, f), lambda r, f: loss.generator(f, r)):
        scores = torch.stack([r, f]).requires_grad_()
        before = player(*scores).item()
        for _ in range(20):
            (slope,) = torch.autograd.grad(player(*scores), scores)
            scores = (scores - slope).detach().requires_grad_()
        assert player(*scores).item() < before


@every_loss
def test_the_generator_prefers_higher_scores(loss):
    r = torch.linspace(-3, 3, 16)
    f = torch.linspace(-3, -0.1, 16)  # below LeastSquares' targets
    assert prefers(loss, r, f)
    assert loss.generator(f + 0.1, r) < loss.generator(f, r)


def test_a_swapped_sign_fails_the_preference():
    class Swapped(NonSaturating):
        def generator(self, fake, real=None):
            return super().generator(-fake, real)

    assert not prefers(Swapped(), R, F)


@every_loss
@pytest.mark.parametrize("size", [50.0, 1e4])
@pytest.mark.parametrize("signs", [(1, 1), (1, -1), (-1, 1), (-1, -1)])
def test_values_and_gradients_are_finite_at_large_scores(loss, size, signs):
    scores = (size * torch.tensor(signs, dtype=torch.float32)[:, None].expand(2, 3)).clone().requires_grad_()
    for value in (loss.discriminator(*scores), loss.generator(scores[1], scores[0])):
        (slope,) = torch.autograd.grad(value, scores)
        assert value.isfinite()
        assert slope.isfinite().all()


@every_loss
def test_the_generator_looks_at_reals_only_if_relativistic(loss):
    r = R.clone().requires_grad_()
    (slope,) = torch.autograd.grad(loss.generator(F.clone().requires_grad_(), r), r, allow_unused=True)
    assert (slope is not None) == loss.relativistic


def test_a_relativistic_generator_asks_for_reals():
    with pytest.raises(ValueError, match=r"call generator\(fake, real\)"):
        RelativisticPairing().generator(F)


@pytest.mark.parametrize("smoothing", [-0.1, 1.0])
def test_smoothing_outside_its_range_is_refused(smoothing):
    with pytest.raises(ValueError, match=r"smoothing is .*: give"):
        NonSaturating(smoothing=smoothing)


@every_loss
def test_recipe(loss):
    assert recipe(build(recipe(loss))) == recipe(loss)


# --- the optimum of label smoothing, on ten states ---

P = torch.tensor([1, 2, 3, 4])
Q = torch.tensor([4, 3, 2, 1])
ALPHA, BETA = 0.9, 0.1


def optimal_scores(objective):
    """Scores of the four states that minimise ``objective(real, fake)`` where states come as often as P and Q say."""
    scores = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([scores], max_iter=100, tolerance_grad=1e-9, tolerance_change=0)

    def closure():
        optimizer.zero_grad()
        value = objective(scores.repeat_interleave(P), scores.repeat_interleave(Q))
        value.backward()
        return value

    optimizer.step(closure)
    return scores.detach()


def two_sided(real, fake):
    """A plausible mistake: the target of fakes is moved too."""
    return NonSaturating(smoothing=1 - ALPHA).discriminator(real, fake) - BETA * fake.mean()


def test_smoothed_optimum():
    one_sided = torch.sigmoid(optimal_scores(NonSaturating(smoothing=1 - ALPHA).discriminator))
    both = torch.sigmoid(optimal_scores(two_sided))
    p, q = P / 10, Q / 10
    torch.testing.assert_close(one_sided.float(), ALPHA * p / (p + q), atol=1e-5, rtol=0)
    torch.testing.assert_close(both.float(), (ALPHA * p + BETA * q) / (p + q), atol=1e-5, rtol=0)
    assert (both - one_sided).abs().max() > 0.05


@pytest.mark.parametrize(("a", "b", "c"), [(0.0, 1.0, 1.0), (-1.0, 1.0, 0.0)])
def test_least_squares_optimum(a, b, c):
    p, q = P / 10, Q / 10
    scores = optimal_scores(LeastSquares(a, b, c).discriminator).float()
    torch.testing.assert_close(scores, (b * p + a * q) / (p + q), atol=1e-5, rtol=0)


def test_least_squares_generator_meets_pearson():
    """At D*, with (a, b, c) = (−1, 1, 0): 2C = E_p(D*−c)² + E_q(D*−c)² = ∫(p−q)²/(p+q)."""
    loss, p, q = LeastSquares(-1.0, 1.0, 0.0), P / 10, Q / 10
    best = (p - q) / (p + q)
    twice = 2 * loss.generator(best.repeat_interleave(P)) + 2 * loss.generator(best.repeat_interleave(Q))
    assert twice.item() == pytest.approx(((p - q) ** 2 / (p + q)).sum().item(), abs=1e-6)


# --- the first paper's theorems ---

MINIMAX = {1: 0.3980, 3: 0.2959, 6: 0.01245, 10: 4.46e-6}
NON_SATURATING = {1: 0.6020, 3: 2.704, 6: 5.988, 10: 10.000}


@pytest.mark.parametrize(("loss", "sizes"), [(Minimax(), MINIMAX), (NonSaturating(), NON_SATURATING)])
def test_vanishing_gradient(loss, sizes):
    """|dL_G/dm| for p = N(0, 1), q = N(m, 1) and D = D*, by quadrature (Arjovsky & Bottou 2017)."""
    noise = torch.linspace(-12, 12, 4001, dtype=torch.float64)
    mass = torch.distributions.Normal(0, 1).log_prob(noise).exp() * (noise[1] - noise[0])
    for m, size in sizes.items():
        mean = torch.tensor(float(m), dtype=torch.float64, requires_grad=True)
        score = m**2 / 2 - m * (mean + noise)  # log p/q at the fake mean + noise; the discriminator's own m is fixed
        each = torch.vmap(loss.generator)(score[:, None])
        (slope,) = torch.autograd.grad((mass * each).sum(), mean)
        assert abs(slope.item()) == pytest.approx(size, rel=2e-3)


def quantiles(cdf, n=1024):
    grid = torch.linspace(-8, 8, 20001, dtype=torch.float64)
    levels = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    return grid[torch.searchsorted(cdf(grid), levels)].float()[:, None]


def trained(discriminator_loss, real, fake):
    torch.manual_seed(0)
    net = MLPDiscriminator(shape=(1,), hidden=(64, 64), activation="tanh")
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 600)
    for _ in range(600):
        optimizer.zero_grad()
        discriminator_loss(net(real), net(fake)).backward()
        optimizer.step()
        schedule.step()
    return net


def test_optimal_discriminator():
    """D* = p/(p+q) and −L_D = 2·JSD − log 4 (Goodfellow 2014, section 4.1); swapped labels and a wrong q miss it."""
    normal = torch.distributions.Normal
    parts, q = [normal(-1.5, 0.6), normal(1.5, 0.6)], normal(0.0, 1.0)
    real = quantiles(lambda x: sum(part.cdf(x) for part in parts) / 2)
    fake = quantiles(q.cdf)

    x = torch.linspace(-8, 8, 8001, dtype=torch.float64)
    step = x[1] - x[0]
    p_x, q_x = sum(part.log_prob(x).exp() for part in parts) / 2, q.log_prob(x).exp()
    best = p_x / (p_x + q_x)
    middle = (p_x + q_x) / 2
    jsd = (torch.xlogy(p_x, p_x / middle) + torch.xlogy(q_x, q_x / middle)).nansum() * step / 2

    def miss(net):
        with torch.no_grad():
            return ((torch.sigmoid(net(x.float()[:, None])) - best).abs() * middle).sum() * step

    loss = NonSaturating().discriminator
    net = trained(loss, real, fake)
    assert miss(net) < 0.02
    with torch.no_grad():
        assert -loss(net(real), net(fake)).item() == pytest.approx(2 * jsd.item() - math.log(4), abs=0.01)

    assert miss(trained(lambda r, f: loss(f, r), real, fake)) > 0.1
    assert miss(trained(loss, real, 0.7 * fake)) > 0.05


def test_wasserstein_reports_the_distance():
    assert -Wasserstein().discriminator(R, F).item() == pytest.approx((R.mean() - F.mean()).item())
