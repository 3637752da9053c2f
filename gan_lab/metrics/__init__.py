"""How good are the samples? Features of images, distances between them, modes of points.

>>> features = ClassifierFeatures.trained_on(images, labels, num_classes=10)
>>> scores = ImageScores(features, RealStatistics.of(images, features, "digits-train"))
>>> scores.update(fakes)
>>> scores.compute()["fid"].protocol
'fid600_digits-train_classifier-v1'
"""

from gan_lab.metrics.classifier import ClassifierFeatures
from gan_lab.metrics.clip import CLIPFeatures
from gan_lab.metrics.dinov2 import DINOv2Features
from gan_lab.metrics.features import Features, to_uint8
from gan_lab.metrics.frechet import Gaussian, Moments, frechet_distance
from gan_lab.metrics.inception import InceptionFeatures
from gan_lab.metrics.inception_score import inception_score
from gan_lab.metrics.kernel import kernel_distance, kernel_distances
from gan_lab.metrics.manifold import Manifold, manifold_scores
from gan_lab.metrics.memorisation import Memorisation
from gan_lab.metrics.modes import ModeScores
from gan_lab.metrics.order import AsTorchFidelity, ByContent
from gan_lab.metrics.pretrained import Pretrained
from gan_lab.metrics.reference import RealStatistics, Statistics
from gan_lab.metrics.resize import Resize
from gan_lab.metrics.rules import FID, KID, NAMES, PRDC, SCORES, TORCH_FIDELITY, InceptionScore, Memorised, Rule, chosen
from gan_lab.metrics.suite import FeatureScores, ImageScores, Score, protocol

EXTRACTORS: dict[str, type[Pretrained]] = {
    "inception": InceptionFeatures,
    "dinov2": DINOv2Features,
    "clip": CLIPFeatures,
}

__all__ = [
    "EXTRACTORS",
    "FID",
    "KID",
    "NAMES",
    "PRDC",
    "SCORES",
    "TORCH_FIDELITY",
    "AsTorchFidelity",
    "ByContent",
    "CLIPFeatures",
    "ClassifierFeatures",
    "DINOv2Features",
    "FeatureScores",
    "Features",
    "Gaussian",
    "ImageScores",
    "InceptionFeatures",
    "InceptionScore",
    "Manifold",
    "Memorisation",
    "Memorised",
    "ModeScores",
    "Moments",
    "Pretrained",
    "RealStatistics",
    "Resize",
    "Rule",
    "Score",
    "Statistics",
    "chosen",
    "frechet_distance",
    "inception_score",
    "kernel_distance",
    "kernel_distances",
    "manifold_scores",
    "protocol",
    "to_uint8",
]
