"""Laws of the suite: one pass, any batches, any processes, one answer; with a floor and a protocol beside it."""

import pytest
import torch
import torch.distributed as dist
from projection import Projection, noise, reals

from gan_lab.metrics import (
    KID,
    PRDC,
    SCORES,
    TORCH_FIDELITY,
    AsTorchFidelity,
    FeatureScores,
    ImageScores,
    RealStatistics,
    Score,
    chosen,
    manifold_scores,
    protocol,
    to_uint8,
)
from gan_lab.metrics.order import content_keys


def gathered(batches, **kwargs):
    scores = ImageScores(Projection(), reals(), **kwargs)
    for batch in batches:
        scores.update(batch)
    return scores.compute()


def close(first, second, rel=1e-6):
    assert first.keys() == second.keys()
    for key in first:
        assert first[key].value == pytest.approx(second[key].value, rel=rel), key
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


def test_five_scores_of_one_pass():
    features = Projection()
    scores = ImageScores(features, reals(), reals(n=80, seed=1), chosen(["fid", "kid", "isc", "prdc"]))
    x = noise(80, 5)
    scores.update(x)
    found = scores.compute()
    assert features.images == 80
    assert list(found) == ["fid", "kid", "isc", "precision", "recall", "density", "coverage"]
    assert found["coverage"].protocol == "coverage80_noise-train_projection-v1"
    reference = reals()
    straight = manifold_scores(Projection()(to_uint8(x))[0], reference.features)
    assert tuple(found[name].value for name in straight._fields) == straight
    unseen = manifold_scores(Projection()(to_uint8(noise(80, 1)))[0], reference.features)
    assert tuple(found[name].floor for name in straight._fields) == pytest.approx(tuple(unseen))


def test_kid_tells_its_error_and_its_subsets():
    found = gathered([noise(90, 1)], scores={"kid": KID(50, 8)})["kid"]
    assert found.protocol == "kid90-50x8_noise-train_projection-v1"
    assert found.error > 0
    assert gathered([noise(90, 1)])["kid"].error is None  # whole sets, compared once
    with pytest.raises(ValueError, match="can't be drawn from 90"):
        gathered([noise(90, 1)], scores={"kid": KID(91)})


def test_torch_fidelitys_rules_are_named_in_the_protocol():
    rules = TORCH_FIDELITY | {"kid": KID(50, 8, AsTorchFidelity())}
    found = gathered([noise(90, 1)], scores=rules)
    assert found["fid"].protocol == "fid90_noise-train_projection-v1"
    assert found["kid"].protocol == "kid90-50x8-torchfidelity_noise-train_projection-v1"
    assert found["isc"].protocol == "isc90-torchfidelity_noise-train_projection-v1"
    close(gathered(noise(90, 1).split(31), scores=rules), found)


def test_memorisation_is_judged_by_unseen_reals():
    unseen = reals(n=101, seed=1)
    copies = gathered([noise(300, 0)[:60]], unseen=unseen, scores=chosen(["memorisation"], unseen))["memorisation"]
    assert (copies.value, copies.floor) == (1, pytest.approx(0.5, abs=0.12))
    fresh = gathered([noise(101, 3)], unseen=unseen, scores=chosen(["memorisation"], unseen))["memorisation"]
    assert fresh.floor == pytest.approx(50 / 101)
    assert fresh.value == pytest.approx(0.5, abs=0.2)
    with pytest.raises(ValueError, match="held-out"):
        chosen(["memorisation"])


def test_names_of_scores():
    assert list(chosen(["kid", "kid", "fid"])) == ["kid", "fid"]
    for wrong in (["fidd"], ["precision"], []):
        with pytest.raises(ValueError, match="fid, kid, isc, prdc, memorisation"):
            chosen(wrong)


def test_only_what_is_needed_is_kept():
    scores = ImageScores(Projection(), reals(), scores=chosen(["fid"]))
    scores.update(noise(90, 1))
    assert scores.compute().keys() == {"fid"}
    assert all(len(part) == 0 for part in scores.states.features + scores.states.logits + scores.states.keys)


def test_no_more_images_than_features_is_told():
    scores = ImageScores(Projection(), reals())
    scores.update(noise(8, 1))
    with pytest.warns(UserWarning, match="FID of 8 images in 8 dimensions"):
        scores.compute()


def test_features_of_other_batches_change_no_draw():
    """Images rank the rows, not features, whose last bits hang on the batch that they were computed in."""
    first, second, control = (FeatureScores(reals(), scores=RULES | {"kid": KID(50, 5)}) for _ in range(3))
    features, logits = Projection()(to_uint8(noise(90, 1)))
    keys = content_keys(to_uint8(noise(90, 1)))
    first.update(features, logits, keys)
    rounded = features.flip(0) * (1 + 1e-7), logits.flip(0)
    second.update(*rounded, keys.flip(0))
    close(first.compute(), second.compute(), rel=1e-5)
    control.update(*rounded)
    assert control.compute()["kid"].value != pytest.approx(first.compute()["kid"].value, rel=1e-4)


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
    for broken in (torch.nan, torch.inf):
        with pytest.raises(ValueError, match="features hold NaN"):
            scores.states.update(torch.full((3, 8), broken), torch.zeros(3, 5))
    stranger = Projection()
    stranger.name = "stranger"
    with pytest.raises(ValueError, match="stranger"):
        ImageScores(stranger, reals())


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


COUNT, SHARES = 501, (150, 501)  # images, to the first of two processes: unequal shares, and a process with no image
RULES = SCORES | {"kid": KID(200, 20), "prdc": PRDC()}


def scored_apart(rank, address, queue):
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=2)
    scores = ImageScores(Projection(), reals(n=401), scores=RULES)
    for share in SHARES:
        own = noise(COUNT, 1)[slice(share) if rank == 0 else slice(share, None)]
        for batch in own.split(200):
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
    found = [queue.get(timeout=200) for _ in SHARES for _ in workers]
    for worker in workers:
        worker.join(30)
    alone = ImageScores(Projection(), reals(n=401), scores=RULES)
    alone.update(noise(COUNT, 1))
    expected = alone.compute()
    assert {part[:2] for part in found} == {(rank, share) for rank in range(2) for share in SHARES}
    for _, _, scores in found:
        close({key: Score(*score) for key, score in scores.items()}, expected)
