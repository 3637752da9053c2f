"""What ``gan-lab evaluate`` scores, and through which network it looks."""

import argparse
from typing import Any

import torch

from gan_lab.cli import UsageError, nearest
from gan_lab.cli.parsing import device_named
from gan_lab.cli.sources import Source
from gan_lab.metrics import EXTRACTORS, KID, NAMES, SCORES, TORCH_FIDELITY, ClassifierFeatures, Features
from gan_lab.metrics.kernel import check_subsets
from gan_lab.metrics.rules import AnyRule


def extractor(arguments: argparse.Namespace, reals: Source) -> Features:
    """What looks at the images, on its device; a classifier is trained on `reals`.

    Raises:
        UsageError: a classifier without labels, or with another's settings.
        ValueError: weights that can't be had or used.
    """
    kind, weights, device = arguments.features, arguments.weights, device_named(arguments.device)
    if kind == "auto":
        kind = "classifier" if reals.num_classes and not (weights or arguments.resize) else "inception"
    if kind != "classifier":
        return EXTRACTORS[kind](weights, arguments.resize or "tf1").to(device)
    if weights or arguments.resize:
        raise UsageError("--weights and --resize are for inception, dinov2 and clip: the classifier has its own")
    if not reals.num_classes:
        raise UsageError(f"--features classifier needs labelled reals, and {reals.name} has no labels: take inception")
    images, labels = (torch.cat(parts) for parts in zip(*reals.everything(), strict=True))
    return ClassifierFeatures.trained_on(images, labels, reals.num_classes).to(device)


def scores_asked(arguments: argparse.Namespace, features: Features, judged: bool) -> list[str]:
    """The names of the scores; `judged`: there are held-out reals, which memorisation needs.

    Raises:
        UsageError: one that doesn't exist, or can't be taken of these features or reals.
    """
    if not arguments.scores:
        return [name for name in NAMES if name != "memorisation" and (features.classes or name != "isc")]
    names = [name.strip() for name in arguments.scores.split(",")]
    for name in names:
        if name not in NAMES:
            raise UsageError(f"there is no score {name!r}{nearest(name, NAMES)}: choose from {', '.join(NAMES)}")
    if "isc" in names and not features.classes:
        raise UsageError(f"{features.name} knows no classes, which isc needs: leave isc out, or take inception")
    if "memorisation" in names and not judged:
        raise UsageError("memorisation is judged by held-out reals: give some as --unseen FOLDER")
    return names


def rules(arguments: argparse.Namespace, n: int, m: int) -> dict[str, AnyRule]:
    """The rules for fid, kid and isc, of `n` fakes and `m` reals.

    Raises:
        ValueError: kid's subsets are larger than a side.
    """
    known = dict(TORCH_FIDELITY if arguments.like else SCORES)
    kid: Any = known["kid"]
    size, subsets = arguments.subset_size, arguments.subsets
    size, subsets = kid.subset_size if size is None else size, kid.subsets if subsets is None else subsets
    if size is not None and "kid" in (arguments.scores or "kid"):
        check_subsets(n, m, size, subsets)
    return known | {"kid": KID(size, subsets, kid.order)}
