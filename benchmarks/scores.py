"""What do the scores cost?

    make bench                              (or: python benchmarks/scores.py [--quick])

Ways to the same number take turns, so that they share whatever else the machine does; seconds are medians of the
process's own CPU time. Inception has random weights, which cost what the published ones do.
"""

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any
from unittest import mock

import scipy.linalg
import torch
from torch import Tensor
from torchmetrics.image.fid import _compute_fid

from gan_lab.metrics import (
    Gaussian,
    ImageScores,
    InceptionFeatures,
    Moments,
    RealStatistics,
    Statistics,
    chosen,
    frechet_distance,
)

DIM = 2048
ALL = ("fid", "kid", "isc", "prdc")  # the last one is two: precision and recall, density and coverage


def alternately(ways: dict[str, Callable[[], Any]], repeats: int) -> tuple[dict[str, float], dict[str, Any]]:
    """Median CPU seconds and last answer of each way."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    answers = {}
    for _ in range(repeats):
        for name, way in ways.items():
            begin = time.process_time()
            answers[name] = way()
            seconds[name].append(time.process_time() - begin)
    return {name: statistics.median(taken) for name, taken in seconds.items()}, answers


def features(n: int, seed: int) -> Tensor:
    """Positive and correlated, with a spectrum that falls as Inception's does."""
    stream = torch.Generator().manual_seed(seed)
    mixed = torch.randn(n, DIM, generator=stream) / torch.arange(1, DIM + 1).sqrt()
    turn = torch.randn(DIM, DIM, generator=torch.Generator().manual_seed(9)) / DIM**0.5
    return (mixed @ turn + 0.02 * seed).relu()


def by_sqrtm(fake: Gaussian, real: Gaussian) -> float:
    """What the first implementations do, by scipy."""
    root = scipy.linalg.sqrtm((fake.covariance @ real.covariance).numpy())
    difference = (fake.mean - real.mean).square().sum() + fake.covariance.trace() + real.covariance.trace()
    return float(difference) - 2 * float(root.trace().real)


def frechet(repeats: int) -> None:
    print(f"\nFréchet distance, {DIM} dimensions, statistics of the reals known beforehand\n")
    print("| images a side | gan-lab | torchmetrics | scipy's sqrtm | gan-lab is faster by | largest difference |")
    print("|---|---|---|---|---|---|")
    for n in (5000, 1000):
        fake, real = (Moments.of(features(n, seed)).gaussian() for seed in (1, 2))
        _ = real.factor
        ways = {
            "ours": lambda f=fake, r=real: frechet_distance(Gaussian(f.mean, f.covariance), r),
            "torchmetrics": lambda f=fake, r=real: float(_compute_fid(r.mean, r.covariance, f.mean, f.covariance)),
            "sqrtm": lambda f=fake, r=real: by_sqrtm(f, r),
        }
        took, found = alternately(ways, repeats)
        apart = max(abs(found[name] / found["ours"] - 1) for name in ("torchmetrics", "sqrtm"))
        rank = "" if n > DIM else " (rank-deficient)"
        print(
            f"| {n}{rank} | {took['ours']:.2f} s | {took['torchmetrics']:.2f} s | {took['sqrtm']:.2f} s |"
            f" {took['torchmetrics'] / took['ours']:.1f}×, {took['sqrtm'] / took['ours']:.1f}× | {apart:.1e} |",
            flush=True,
        )


def random_inception(folder: Path) -> InceptionFeatures:
    """torch-fidelity's Inception-v3 with random weights, made without its download."""
    from torch_fidelity import feature_extractor_inceptionv3 as theirs

    network = theirs.FeatureExtractorInceptionV3
    with mock.patch.object(theirs, "load_state_dict_from_url"), mock.patch.object(network, "load_state_dict"):
        built = network("inception-v3-compat", ["2048"])
    for module in built.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight)
    torch.save(built.state_dict(), folder / "weights.pth")
    return InceptionFeatures(folder / "weights.pth")


def passes(extractor: InceptionFeatures, folder: Path, n: int, repeats: int) -> float:
    """Prints what the reals' statistics and the scores cost; returns the seconds that an image's features take."""
    stream = torch.Generator().manual_seed(0)
    real, fake = (torch.randint(0, 256, (n, 3, 64, 64), generator=stream, dtype=torch.uint8) for _ in range(2))
    looked = []
    extract = extractor.extract

    def counting(images: Tensor) -> tuple[Tensor, Tensor]:
        looked.append(len(images))
        return extract(images)

    extractor.extract = counting  # type: ignore[method-assign]
    print(f"\nStatistics of {n} real images, 64×64, Inception\n\n| | seconds | images looked at |\n|---|---|---|")
    for title in ("first evaluation", "second"):
        looked.clear()
        begin = time.process_time()
        reference = RealStatistics.of(real.split(50), extractor, "noise", cache_dir=folder)
        print(f"| {title} | {time.process_time() - begin:.2f} | {sum(looked)} |", flush=True)

    def scored(names: tuple[str, ...]) -> Any:
        scores = ImageScores(extractor, reference, scores=chosen(names))
        for images in fake.split(50):
            scores.update(images)
        return scores.compute()

    _ = reference.gaussian.factor
    took, _ = alternately({"FID alone": lambda: scored(("fid",)), "all five": lambda: scored(ALL)}, repeats)
    alone, together = took.values()
    print(
        f"\nScores of {n} fakes, Inception, statistics of the reals known\n\n| FID alone | all five | |\n|---|---|---|"
    )
    print(f"| {alone:.1f} s | {together:.1f} s | {together / alone:.3f}× |", flush=True)
    return alone / n


def at(n: int, an_image: float) -> None:
    """The same at a count whose features would take too long here: those are reckoned, the scores measured."""
    logits, keys = torch.randn(n, 1008), torch.arange(n)

    def known(seed: int) -> Statistics:
        found = features(n, seed)
        return Statistics(Moments.of(found).gaussian(), found, logits, keys, n)

    fake, real = known(1), known(2)
    _ = real.gaussian.factor
    took, _ = alternately({name: lambda rule=rule: rule(fake, real) for name, rule in chosen(ALL).items()}, 1)
    passed = n * an_image
    print(f"\nScores of {n} fakes, Inception, features reckoned from above: {passed:.0f} s\n")
    print("| " + " | ".join(took) + " | all five, beside FID alone, features included |\n" + "|---" * 5 + "|")
    ratio = (passed + sum(took.values())) / (passed + took["fid"])
    print("| " + " | ".join(f"{one:.1f} s" for one in took.values()) + f" | {ratio:.3f}× |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few images and repeats, to see that it runs")
    quick = parser.parse_args().quick
    os.environ["TQDM_DISABLE"] = "1"
    torch.manual_seed(0)
    print(f"{date.today()}, torch {torch.__version__}, {torch.get_num_threads()} threads, {platform.machine()}")
    frechet(repeats=1 if quick else 5)
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        extractor = random_inception(Path(folder))
        an_image = passes(extractor, Path(folder), n=50 if quick else 300, repeats=1 if quick else 3)
    at(2000 if quick else 10_000, an_image)


if __name__ == "__main__":
    main()
