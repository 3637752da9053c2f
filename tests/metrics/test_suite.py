"""Laws of the suite: one pass, any batches, any processes, one answer; with a floor and a protocol beside it."""

import pytest
import torch
import torch.distributed as dist
from torch import nn

from gan_lab.metrics import (
    Features,
    FeatureScores,
    ImageScores,
    RealStatistics,
    Score,
    protocol,
    to_uint8,
)
from gan_lab.metrics import reference as reference_module


class Projection(Features):
    """Eight fixed numbers of an image, and five logits."""

    name, dim, classes = "projection-v1", 8, 5

    def __init__(self, seed=0, classes=5):
        super().__init__()
        self.classes = classes
        stream = torch.Generator().manual_seed(seed)
        self.weight = nn.Parameter(torch.randn(64, 8 + classes, generator=stream) / 8, requires_grad=False)
        self.images = 0

    def extract(self, images):
        self.images += len(images)
        out = images.float().flatten(1) / 64 @ self.weight
        return out[:, :8], out[:, 8:]


def noise(n, seed, scale=1.0):
    return scale * (2 * torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(seed)) - 1)


def reals(n=300, seed=0, features=None, name="noise-train", **kwargs):
    return RealStatistics.of(to_uint8(noise(n, seed)), features or Projection(), name, **kwargs)


def gathered(batches, **kwargs):
    scores = ImageScores(Projection(), reals(), **kwargs)
    for batch in batches:
        scores.update(batch)
    return scores.compute()


def close(first, second):
    assert first.keys() == second.keys()
    for key in first:
        assert first[key].value == pytest.approx(second[key].value, rel=1e-6), key
        assert first[key].protocol == second[key].protocol


def test_protocols():
    assert protocol("fid", 600, "digits-train", "classifier-v1") == "fid600_digits-train_classifier-v1"
    assert protocol("kid", 10_000, "x") == "kid10k_x"
    assert protocol("isc", 1500, "x") == "isc1500_x"
    found = gathered([noise(60, 1)])
    assert [score.protocol for score in found.values()] == [
        f"{key}60_noise-train_projection-v1" for key in ("fid", "kid", "isc")
    ]


def test_bytes():
    x = torch.tensor([-1.0, -2.0, 0.0, 1.0, 7.0, 1 / 255])
    assert to_uint8(x).tolist() == [0, 0, 128, 255, 255, 128]
    every = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_uint8(every.float() / 127.5 - 1), every)
    assert torch.equal(to_uint8(every), every)
    for bad in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="diverged"):
            to_uint8(torch.tensor([0.0, bad]))


def test_batches_and_order_do_not_matter():
    x = noise(90, 1)
    close(gathered([x]), gathered(x.split(7)))
    close(gathered([x]), gathered([x.flip(0)]))


def test_the_reals_score_best():
    x = noise(300, 0)
    same, dimmed = gathered([x]), gathered([0.5 * x])
    assert same["fid"].value == pytest.approx(0, abs=1e-6)
    other = gathered([noise(300, 1)])
    assert dimmed["fid"].value > 5 * other["fid"].value
    assert dimmed["kid"].value > 3 * abs(other["kid"].value)


def test_floor_is_what_unseen_reals_score_at_the_same_count():
    unseen = reals(n=80, seed=1)
    found = gathered([noise(80, 5)], unseen=unseen)
    close(gathered([noise(80, 1)]), {key: score._replace(value=score.floor) for key, score in found.items()})
    assert all(score.floor is not None for score in gathered([noise(30, 5)], unseen=unseen).values())
    assert all(score.floor is None for score in gathered([noise(81, 5)], unseen=unseen).values())
    assert gathered([noise(40, 5)])["fid"].floor is None


def test_reset_starts_over():
    scores = ImageScores(Projection(), reals())
    scores.update(noise(50, 1))
    scores.compute()
    scores.reset()
    scores.update(noise(20, 2))
    close(scores.compute(), gathered([noise(20, 2)]))


def test_scoring_leaves_the_global_random_stream_alone():
    before = torch.get_rng_state()
    gathered([noise(1200, 1)], unseen=reals(seed=1))
    assert torch.equal(before, torch.get_rng_state())


def test_no_logits_no_inception_score():
    features = Projection(classes=0)
    scores = ImageScores(features, reals(features=features))
    scores.update(noise(20, 1))
    assert scores.compute().keys() == {"fid", "kid"}


def test_another_score_is_a_function():
    def count(fake, real):
        return float(len(fake.features) + real.count)

    scores = ImageScores(Projection(), reals(), scores={"count": count})
    scores.update(noise(20, 1))
    assert scores.compute()["count"].value == 320


def test_states_hold_no_network():
    scores = FeatureScores(reals())
    assert not list(scores.parameters())
    assert not scores.state_dict()


def test_refusals():
    scores = ImageScores(Projection(), reals())
    scores.update(noise(1, 0))
    with pytest.raises(ValueError, match="at least 2"):
        scores.compute()
    with pytest.raises(ValueError, match="diverged"):
        scores.update(torch.full((2, 1, 8, 8), float("nan")))
    with pytest.raises(ValueError, match="don't fit"):
        scores.states.update(torch.zeros(3, 9), torch.zeros(3, 5))
    stranger = Projection()
    stranger.name = "stranger"
    with pytest.raises(ValueError, match="stranger"):
        ImageScores(stranger, reals())


# The reals' side


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


def test_bank_is_an_even_sample_in_order(monkeypatch):
    rows = torch.arange(1000.0).unsqueeze(1)
    sample = reference_module._Sample(100)
    for part in rows.split(33):
        sample.add(part, part)
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


def test_digits_floor(classifier, digits):
    """Unseen digits score low; noise and a single class score far worse."""
    reference = RealStatistics.of(digits.train, classifier, "digits-train")
    unseen = RealStatistics.of(digits.unseen, classifier, "digits-unseen")

    def scored(images):
        scores = ImageScores(classifier, reference, unseen)
        scores.update(images)
        return scores.compute()

    real = scored(digits.unseen)
    assert real["fid"].protocol == "fid600_digits-train_classifier-v1"
    assert real["fid"].value == pytest.approx(real["fid"].floor)
    assert 2 < real["fid"].floor < 10
    assert real["isc"].floor > 8
    noisy = scored(torch.rand(600, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1)
    assert noisy["fid"].value > 20 * noisy["fid"].floor
    assert noisy["kid"].value > 20 * abs(noisy["kid"].floor)
    one_class = scored(digits.unseen[digits.unseen_labels == 3])
    assert one_class["isc"].value < 2
    assert one_class["fid"].value > 20 * one_class["fid"].floor


# Processes


SHARES = (300, 1100)  # of 1,100 images, to the first of two processes: unequal shares, and a process with no image


def scored_apart(rank, address, queue):
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=2)
    scores = ImageScores(Projection(), reals(n=1100))
    for share in SHARES:
        own = noise(1100, 1)[slice(share) if rank == 0 else slice(share, None)]
        for batch in own.split(400):
            scores.update(batch)
        queue.put((rank, share, {key: tuple(score) for key, score in scores.compute().items()}))
        scores.reset()
    dist.barrier()
    dist.destroy_process_group()


def test_two_processes_score_as_one(tmp_path):
    context = torch.multiprocessing.get_context("spawn")
    queue = context.Queue()
    address = (tmp_path / "meeting").as_uri()
    workers = [context.Process(target=scored_apart, args=(rank, address, queue)) for rank in range(2)]
    for worker in workers:
        worker.start()
    found = [queue.get(timeout=120) for _ in SHARES for _ in workers]
    for worker in workers:
        worker.join(30)
    alone = ImageScores(Projection(), reals(n=1100))
    alone.update(noise(1100, 1))
    expected = alone.compute()
    assert {part[:2] for part in found} == {(rank, share) for rank in range(2) for share in SHARES}
    for _, _, scores in found:
        close({key: Score(*score) for key, score in scores.items()}, expected)
