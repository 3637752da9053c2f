"""How good are the samples? Features of images, distances between them, modes of points.

>>> features = ClassifierFeatures.trained_on(images, labels, num_classes=10)
>>> scores = ImageScores(features, RealStatistics.of(images, features, "digits-train"))
>>> scores.update(fakes)
>>> scores.compute()["fid"].protocol
'fid600_digits-train_classifier-v1'
"""

from gan_lab.metrics.classifier import ClassifierFeatures
from gan_lab.metrics.features import Features, InceptionFeatures, to_uint8
from gan_lab.metrics.frechet import Gaussian, Moments, frechet_distance
from gan_lab.metrics.inception_score import inception_score
from gan_lab.metrics.kernel import kernel_distance
from gan_lab.metrics.modes import ModeScores
from gan_lab.metrics.reference import RealStatistics, Statistics
from gan_lab.metrics.suite import SCORES, FeatureScores, ImageScores, Score, protocol

__all__ = [
    "SCORES",
    "ClassifierFeatures",
    "FeatureScores",
    "Features",
    "Gaussian",
    "ImageScores",
    "InceptionFeatures",
    "ModeScores",
    "Moments",
    "RealStatistics",
    "Score",
    "Statistics",
    "frechet_distance",
    "inception_score",
    "kernel_distance",
    "protocol",
    "to_uint8",
]
