"""Laws of the priors, over every member of `gan_lab.priors`."""

import inspect

import pytest
import torch

from gan_lab import priors
from gan_lab.priors import Gaussian, Sphere, Uniform
from gan_lab.recipes import build, recipe

MEMBERS = [
    cls
    for cls in vars(priors).values()
    if inspect.isclass(cls) and issubclass(cls, priors.Prior) and not inspect.isabstract(cls)
]
every_prior = pytest.mark.parametrize("member", MEMBERS)


@every_prior
@pytest.mark.parametrize("dim", [1, 2, 7])
def test_draws_have_the_size_asked_for(member, dim):
    prior = member(dim=dim)
    assert prior.dim == dim
    for n in (1, 5):
        z = prior(n)
        assert z.shape == (n, dim)
        assert z.isfinite().all()


@every_prior
def test_draws_follow_the_seed_and_differ_from_each_other(member):
    prior = member(dim=8)
    torch.manual_seed(3)
    first, second = prior(4), prior(4)
    torch.manual_seed(3)
    assert torch.equal(prior(4), first)
    assert not torch.equal(first, second)
    assert len(first.unique(dim=0)) == 4


@every_prior
def test_draws_land_where_the_prior_is(member):
    assert member().to("meta")(2).device.type == "meta"
    assert member().double()(2).dtype == torch.float64


@every_prior
def test_nothing_to_save(member):
    assert not member().state_dict()
    assert not list(member().parameters())


@every_prior
def test_draws_are_centred(member):
    torch.manual_seed(0)
    z = member(dim=4)(40_000)
    assert z.mean(dim=0).abs().max() < 0.03 * z.std()
    correlation = torch.corrcoef(z.T) - torch.eye(4)
    assert correlation.abs().max() < 0.03


@every_prior
def test_recipe(member):
    prior = member()
    assert recipe(build(recipe(prior))) == recipe(prior)


@every_prior
def test_no_size_is_refused(member):
    with pytest.raises(ValueError, match="dim is 0"):
        member(dim=0)


def test_gaussian_moments():
    torch.manual_seed(0)
    z = Gaussian(dim=2)(100_000)
    assert z.var().item() == pytest.approx(1, abs=0.02)
    assert z.pow(4).mean().item() == pytest.approx(3, abs=0.1)


def test_uniform_fills_its_range():
    torch.manual_seed(0)
    z = Uniform(dim=2, low=-3.0, high=1.0)(50_000)
    assert -3 <= z.min() < -2.99
    assert 0.99 < z.max() <= 1
    assert z.var().item() == pytest.approx(16 / 12, abs=0.02)


@pytest.mark.parametrize("radius", [1.0, 4.0])
def test_sphere_has_one_radius_and_no_preferred_direction(radius):
    torch.manual_seed(0)
    z = Sphere(dim=3, radius=radius)(50_000)
    torch.testing.assert_close(z.norm(dim=1), torch.full((50_000,), radius))
    # Archimedes: a coordinate of a uniform point on the 2-sphere is uniform; a normalised cube's is not.
    coordinate = (z[:, 0] / radius).sort().values
    even = torch.linspace(-1, 1, 50_000)
    assert (coordinate - even).abs().max() < 0.02
    cube = torch.nn.functional.normalize(2 * torch.rand(50_000, 3) - 1, dim=1)[:, 0].sort().values
    assert (cube - even).abs().max() > 0.02


def test_wrong_numbers_are_refused():
    with pytest.raises(ValueError, match="give a low below high"):
        Uniform(low=1.0, high=1.0)
    with pytest.raises(ValueError, match="radius is 0"):
        Sphere(radius=0.0)
