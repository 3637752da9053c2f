"""Laws of the penalties, over every member of `gan_lab.penalties`, and the Dirac-GAN, whose fate they decide."""

import inspect

import pytest
import torch
from torch import nn

from gan_lab import penalties
from gan_lab.losses import Minimax, NonSaturating, RelativisticPairing, Wasserstein
from gan_lab.networks import DCGANDiscriminator, MLPDiscriminator
from gan_lab.penalties import DRAGAN, R1, R2, DiscriminatorPenalty, GeneratorPenalty, GradientPenalty
from gan_lab.recipes import build, recipe

MEMBERS = [
    cls
    for cls in vars(penalties).values()
    if inspect.isclass(cls)
    and issubclass(cls, (DiscriminatorPenalty, GeneratorPenalty))
    and not inspect.isabstract(cls)
]
PENALTIES = [cls() for cls in MEMBERS] + [GradientPenalty(one_sided=True, target=0.5, every=4)]
ON_CRITICS = [penalty for penalty in PENALTIES if isinstance(penalty, DiscriminatorPenalty)]

W = torch.tensor([3.0, 4.0])
X = torch.tensor([[2.0, 0.0]])


def name(penalty):
    return type(penalty).__name__


def linear(w):
    return lambda x: x.flatten(1) @ w


def half_square(x):
    return x.flatten(1).square().sum(1) / 2


every_penalty = pytest.mark.parametrize("penalty", PENALTIES, ids=name)
on_critics = pytest.mark.parametrize("penalty", ON_CRITICS, ids=name)


# --- closed forms ---


@pytest.mark.parametrize("member", [R1, R2])
@pytest.mark.parametrize("gamma", [1.0, 10.0])
def test_r1_and_r2_of_a_linear_critic_is_half_the_squared_slope(member, gamma):
    penalty = member(weight=gamma)
    value = penalty(linear(W), torch.randn(8, 2), torch.randn(8, 2))
    assert (penalty.weight * value).item() == pytest.approx(gamma / 2 * 25)


def test_r1_looks_at_reals_and_r2_at_fakes():
    real, fake = torch.full((4, 1), 3.0), torch.full((4, 1), 5.0)  # slope of ½x² at x is x
    assert R1()(half_square, real, fake).item() == pytest.approx(9 / 2)
    assert R2()(half_square, real, fake).item() == pytest.approx(25 / 2)


@pytest.mark.parametrize("n", [1, 64])
def test_gradient_penalty_of_a_linear_critic(n):
    real, fake = torch.randn(2, n, 2)
    assert GradientPenalty()(linear(W), real, fake).item() == pytest.approx(16, rel=1e-5)
    assert GradientPenalty()(linear(W / 5), real, fake).item() == pytest.approx(0, abs=1e-9)
    assert GradientPenalty(target=5.0)(linear(W), real, fake).item() == pytest.approx(0, abs=1e-9)


def test_one_norm_over_the_batch_would_give_1521():
    x = torch.randn(64, 2, requires_grad=True)
    (slope,) = torch.autograd.grad(linear(W)(x).sum(), x)
    assert ((slope.norm() - 1) ** 2).item() == pytest.approx(1521, rel=1e-5)


def test_gradient_penalty_mixes_uniformly():
    torch.manual_seed(0)
    real = X.expand(100_000, 2)
    value = GradientPenalty()(half_square, real, torch.zeros_like(real))  # slope 2u: E(2u−1)² = 1/3
    assert value.item() == pytest.approx(1 / 3, abs=0.005)


def test_gradient_penalty_mixes_each_sample_by_one_number_of_its_own():
    seen = []

    def critic(x):
        seen.append(x.detach())
        return half_square(x)

    torch.manual_seed(0)
    real, fake = torch.ones(1000, 3, 4, 4), torch.zeros(1000, 3, 4, 4)
    GradientPenalty()(critic, real, fake)
    u = seen[0].flatten(1)
    assert torch.equal(u, u[:, :1].expand_as(u))  # one per pixel would differ within a sample
    assert len(u[:, 0].unique()) > 990  # one per batch would be a single number
    assert u[:, 0].std().item() == pytest.approx(12**-0.5, abs=0.02)


def test_one_sided_leaves_gentle_slopes_alone():
    real, fake = torch.randn(2, 16, 2)
    gentle = linear(W / 10)
    assert GradientPenalty(one_sided=True)(gentle, real, fake).item() == 0
    assert GradientPenalty(one_sided=False)(gentle, real, fake).item() == pytest.approx(0.25)
    assert GradientPenalty(one_sided=True)(linear(W), real, fake).item() == pytest.approx(16)


def test_dragan_stays_near_reals_and_ignores_fakes():
    seen = []

    def critic(x):
        seen.append(x.detach())
        return half_square(x)

    real = torch.randn(256, 1, 4, 4)
    values = []
    for fake in (torch.zeros_like(real), torch.full_like(real, 100.0)):
        torch.manual_seed(0)
        values.append(DRAGAN(scale=0.5)(critic, real, fake))
    assert torch.equal(*values)
    noise = seen[0] - real
    assert noise.min() >= 0
    assert 0 < noise.max() <= 0.5 * real.std() * 1.0001
    share = (noise / (0.5 * real.std(correction=0))).flatten(1).mean(1)  # u·(mean of 16 uniform numbers)
    assert share.mean().item() == pytest.approx(0.25, abs=0.03)
    assert share.std().item() == pytest.approx(0.15, abs=0.02)  # with one u per pixel 0.06, without u 0.07
    assert DRAGAN()(linear(W), real.view(-1, 2), real.view(-1, 2)).item() == pytest.approx(16, rel=1e-5)


def test_dragan_without_noise_is_the_slope_at_reals():
    real = torch.tensor([[3.0], [5.0]])
    assert DRAGAN(scale=0.0)(half_square, real, real).item() == pytest.approx((4 + 16) / 2)


# --- laws ---


@on_critics
def test_the_gradient_reaches_the_critic_and_nothing_else(penalty):
    torch.manual_seed(0)
    net = MLPDiscriminator(shape=(1, 3, 3), hidden=(8,))
    real, fake = torch.randn(2, 6, 1, 3, 3).requires_grad_()
    with torch.no_grad():
        net.score.weight.mul_(20)  # steep enough for a one-sided penalty
    penalty(net, real, fake).backward()
    assert all(p.grad.abs().sum() > 0 for name, p in net.named_parameters() if "weight" in name)
    leaves = torch.zeros(2, 6, 1, 3, 3, requires_grad=True)
    value = penalty(net, *(leaves + 1.0))
    (reached,) = torch.autograd.grad(value, leaves, allow_unused=True)
    assert reached is None


@on_critics
def test_second_order_gradients_are_right(penalty):
    """The slope of the penalty along a weight equals its difference quotient."""
    critic_weight = torch.tensor([[1.2, -0.7], [0.4, 2.0]], dtype=torch.float64, requires_grad=True)
    real, fake = torch.randn(2, 5, 2, dtype=torch.float64)

    def value(weight):
        torch.manual_seed(1)
        return penalty(lambda x: torch.tanh(x @ weight).sum(1) * 2, real, fake)

    assert torch.autograd.gradcheck(value, [critic_weight])


@on_critics
def test_a_flat_critic_gives_finite_gradients(penalty):
    weight = torch.zeros(4, requires_grad=True)
    penalty(linear(weight), torch.randn(3, 1, 2, 2), torch.randn(3, 1, 2, 2)).backward()
    assert weight.grad.isfinite().all()


def test_a_plain_square_root_would_not():
    weight = torch.zeros(4, requires_grad=True)
    x = torch.randn(3, 4, requires_grad=True)
    (slope,) = torch.autograd.grad(linear(weight)(x).sum(), x, create_graph=True)
    ((slope.square().sum(1).sqrt() - 1) ** 2).mean().backward()
    assert weight.grad.isnan().any()


@on_critics
def test_the_value_is_a_mean_over_samples(penalty):
    if isinstance(penalty, DRAGAN):
        penalty = DRAGAN(scale=0.0)  # the noise follows the batch's spread
    real = torch.tensor([[1.0], [4.0]])
    alone = [penalty(half_square, x[None], x[None]) for x in real]
    together = penalty(half_square, real, real)
    torch.testing.assert_close(together, (alone[0] + alone[1]) / 2)


@every_penalty
def test_the_weight_is_left_to_the_game(penalty):
    plain = recipe(penalty)
    heavy = build({**plain, "init_args": {**plain["init_args"], "weight": 3 * penalty.weight}})
    net = MLPDiscriminator(shape=(4,), hidden=(8,)).requires_grad_(False)
    values = []
    for each in (penalty, heavy):
        torch.manual_seed(0)
        values.append(each(net, torch.randn(4, 4), torch.randn(4, 4)))
    assert torch.equal(*values)


@every_penalty
def test_recipe(penalty):
    assert recipe(build(recipe(penalty))) == recipe(penalty)


@pytest.mark.parametrize("member", MEMBERS)
def test_a_cadence_below_one_is_refused(member):
    with pytest.raises(ValueError, match="every is 0"):
        member(every=0)


def test_gradient_penalty_refuses_batch_norm():
    penalty = GradientPenalty()
    for bad in (DCGANDiscriminator((1, 8, 8), width=4, base_size=2), nn.Sequential(nn.SyncBatchNorm(3))):
        with pytest.raises(ValueError, match="use norm: layer or none") as error:
            penalty.check(bad)
        assert "\n" not in str(error.value)
    for norm in ("instance", "layer", "none"):
        penalty.check(DCGANDiscriminator((1, 8, 8), width=4, base_size=2, norm=norm))


def test_batch_norm_lets_one_image_move_anothers_slope():
    """Why it is refused: the penalty's slope at one sample depends on the others."""
    torch.manual_seed(0)
    real, other = torch.randn(2, 4, 1, 8, 8)
    other[0] = real[0]

    def first_slope(norm, images):
        torch.manual_seed(0)
        net = DCGANDiscriminator((1, 8, 8), width=4, base_size=2, norm=norm)
        return penalties.slopes(net, images)[0]

    assert not torch.isclose(first_slope("batch", real), first_slope("batch", other), rtol=1e-3)
    for norm in ("instance", "layer", "none"):
        torch.testing.assert_close(first_slope(norm, real), first_slope(norm, other))


# --- the Dirac-GAN: p = δ_0, q = δ_θ, D(x) = ψx (Mescheder 2018) ---


def radius(loss, regularisers=(), rounds=2000, lr=0.1):
    """√(ψ² + θ²) after alternating gradient steps from (1, 1): 0 is convergence, √2 is going in circles."""
    psi, theta = torch.ones(2, 1, dtype=torch.float64)
    psi, theta = psi.requires_grad_(), theta.requires_grad_()
    zero = torch.zeros(1, 1, dtype=torch.float64)

    def critic(x):
        return (x * psi).flatten()

    for _ in range(rounds):
        fake = theta.detach()[None]
        value = loss.discriminator(critic(zero), critic(fake))
        for penalty in regularisers:
            value = value + penalty.weight * penalty(critic, zero, fake)
        (slope,) = torch.autograd.grad(value, psi)
        psi = (psi - lr * slope).detach().requires_grad_()
        (slope,) = torch.autograd.grad(loss.generator(critic(theta[None]), critic(zero)), theta)
        theta = (theta - lr * slope).detach().requires_grad_()
    return torch.hypot(psi, theta).item()


def test_minimax_alone_goes_in_circles():
    assert 1.35 < radius(Minimax(), rounds=1000) < 1.5


@pytest.mark.parametrize(
    ("loss", "regularisers"),
    [(NonSaturating(), [R1(weight=0.3)]), (RelativisticPairing(), [R1(weight=0.3), R2(weight=0.3)])],
    ids=["R1", "RpGAN+R1+R2"],
)
def test_flat_critics_converge(loss, regularisers):
    assert radius(loss, regularisers, rounds=1000) < 1e-4


def test_a_target_slope_never_converges():
    assert 0.35 < radius(Wasserstein(), [GradientPenalty(weight=0.5, target=0.3)], rounds=1000) < 0.45
