"""Laws of the reals' side: one pass for each content, kept; an even sample in a fixed order."""

import pytest
import torch
from projection import Projection, noise, reals

from gan_lab.metrics import RealStatistics, to_uint8
from gan_lab.metrics import reference as reference_module


def test_real_statistics_are_taken_once_per_content(tmp_path):
    features = Projection()
    first = reals(features=features, cache_dir=tmp_path)
    assert features.images == 300
    again = RealStatistics.of(to_uint8(noise(300, 0)).split(41), features, "another-name", cache_dir=tmp_path)
    assert features.images == 300
    assert (again.name, again.count, again.extractor) == ("another-name", 300, "projection-v1")
    assert torch.equal(first.features, again.features)
    changed = to_uint8(noise(300, 0))
    changed[7, 0, 3, 3] ^= 1
    RealStatistics.of(changed, features, "changed", cache_dir=tmp_path)
    assert features.images == 600
    other = Projection(seed=1)
    reals(features=other, cache_dir=tmp_path)
    assert other.images == 300
    reals(features=features, cache_dir=tmp_path, bank=20)
    assert features.images == 900


def test_real_statistics_take_floats_and_labelled_batches(tmp_path):
    x, features = noise(50, 0), Projection()
    plain = RealStatistics.of(to_uint8(x), features, "a", cache_dir=tmp_path)
    labelled = [(part, torch.zeros(len(part))) for part in x.split(20)]
    assert torch.equal(RealStatistics.of(labelled, features, "a", cache_dir=tmp_path).features, plain.features)
    before = torch.get_rng_state()
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x), batch_size=16)
    assert torch.equal(RealStatistics.of(loader, features, "a", cache_dir=tmp_path).features, plain.features)
    assert features.images == 50
    assert torch.equal(before, torch.get_rng_state())


def test_a_known_content_is_never_read_again(tmp_path):
    features, read = Projection(), []

    class Reals:
        def __iter__(self):
            read.append(True)
            return iter(to_uint8(noise(50, 0)).split(20))

    first = RealStatistics.of(Reals(), features, "x", cache_dir=tmp_path, content="abc")
    again = RealStatistics.of(Reals(), features, "x", cache_dir=tmp_path, content="abc")
    assert (len(read), features.images) == (1, 50)
    assert (again.count, again.digest) == (50, first.digest)
    for part in ("features", "logits", "keys"):
        assert torch.equal(getattr(first, part), getattr(again, part))
    other = RealStatistics.of(Reals(), features, "x", cache_dir=tmp_path, content="abd")
    assert (len(read), other.digest == first.digest) == (2, False)


def test_a_cut_file_is_made_anew(tmp_path):
    features = Projection()
    first = reals(features=features, cache_dir=tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.warns(UserWarning, match="made anew"):
        again = reals(features=features, cache_dir=tmp_path)
    assert features.images == 600
    assert torch.equal(again.features, first.features)


def test_broken_weights_are_told(tmp_path):
    features = Projection()
    features.weight[3, 2] = torch.nan
    with pytest.raises(ValueError, match="features hold NaN"):
        reals(features=features, cache_dir=tmp_path)
    assert not list(tmp_path.iterdir())


def test_bank_is_an_even_sample_in_order(monkeypatch):
    rows = torch.arange(1000.0).unsqueeze(1)
    sample = reference_module._Sample(100)
    for part in rows.split(33):
        sample.add(part, part, part)
    kept = sample.taken()["features"].flatten()
    assert len(kept) == len(kept.unique()) == 100
    assert torch.equal(kept, kept.sort().values)
    assert kept.mean() == pytest.approx(500, abs=90)  # three standard errors
    whole = reals(bank=None)
    assert len(whole.features) == whole.count == 300
    assert len(reals(bank=20).features) == 20
    torch.testing.assert_close(reals(bank=20).gaussian.covariance, whole.gaussian.covariance)


def test_real_statistics_refuse_what_cannot_be_read_twice(tmp_path):
    x = to_uint8(noise(50, 0))

    class Shuffled:
        def __iter__(self):
            return iter([x[torch.randperm(50)]])

    with pytest.raises(ValueError, match="shuffling"):
        RealStatistics.of(Shuffled(), Projection(), "x", cache_dir=tmp_path)
    with pytest.raises(ValueError, match="iterator"):
        RealStatistics.of(iter([x]), Projection(), "x")
    with pytest.raises(ValueError, match="at least 2"):
        RealStatistics.of(x[:1], Projection(), "x")
    with pytest.raises(ValueError, match="mixed"):
        RealStatistics.of([x, x[:, :, :4]], Projection(), "x")
