import math

import pytest
import torch

from gan_lab.data import DataError, Toy2D

KINDS = ["ring8", "grid25", "swiss_roll", "two_moons"]


@pytest.mark.parametrize("scale", [1.0, 0.5])
@pytest.mark.parametrize(("kind", "modes", "sigma"), [("ring8", 8, 0.02), ("grid25", 25, 0.05)])
def test_the_modes_have_their_centres_widths_and_equal_shares(kind, modes, sigma, scale):
    data = Toy2D(kind, count=50_000, scale=scale)
    train = data.items("train")
    assert data.num_classes == modes
    assert data.sigma == pytest.approx(sigma * scale)
    assert train.labels.bincount().tolist() == [50_000 // modes] * modes
    assert torch.equal(torch.cdist(train.content, data.centres).argmin(1), train.labels)
    offsets = train.content - data.centres[train.labels]
    assert offsets.std() == pytest.approx(sigma * scale, rel=0.02)
    assert offsets.mean(0).abs().max() < 4 * sigma * scale / math.sqrt(50_000)


def test_the_ring_has_radius_2():
    torch.testing.assert_close(Toy2D("ring8").centres.norm(dim=1), torch.full((8,), 2.0))


def test_the_grid_is_2_apart():
    centres = Toy2D("grid25").centres
    distances = torch.cdist(centres, centres) + 100 * torch.eye(25)
    torch.testing.assert_close(distances.min(1).values, torch.full((25,), 2.0))
    torch.testing.assert_close(centres.mean(0), torch.zeros(2))


@pytest.mark.parametrize("kind", ["swiss_roll", "two_moons"])
def test_the_curves_have_about_unit_deviation_and_no_modes(kind):
    data = Toy2D(kind)
    points = data.items("train").content
    assert (data.centres, data.sigma, data.num_classes) == (None, None, None)
    assert points.std(0).square().mean().sqrt() == pytest.approx(1, abs=0.15)
    assert points.mean(0).abs().max() < 0.35


@pytest.mark.parametrize("kind", KINDS)
def test_the_splits_are_independent_draws_fixed_by_the_seed(kind):
    data = Toy2D(kind, count=500, validation=200)
    assert [len(data.items(split)) for split in ("train", "validation", "test")] == [500, 200, 200]
    prints = {data.fingerprint(split) for split in ("train", "validation", "test")}
    assert len(prints | {Toy2D(kind, count=500, seed=1).fingerprint("train")}) == 4
    assert Toy2D(kind, count=500).fingerprint("train") == data.fingerprint("train")
    assert data.items("train").content.dtype == torch.float32


def test_the_scale_is_in_the_name():
    assert Toy2D("two_moons").name == "two.moons"
    assert Toy2D("grid25", scale=0.35355).name == "grid25.x0.35355"


@pytest.mark.parametrize("bad", [{"kind": "ring9"}, {"count": 0}, {"validation": -1}, {"scale": 0.0}])
def test_bad_arguments_are_refused(bad):
    with pytest.raises(DataError, match=r"--data\."):
        Toy2D(**bad)
