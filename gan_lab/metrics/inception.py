"""The Inception-v3 that published scores are taken with."""

import io
from typing import Any

import torch
from torch import Tensor, nn

from gan_lab.metrics.pretrained import Pretrained


class InceptionFeatures(Pretrained):
    """The Inception-v3 of 2015, as torch-fidelity ported it from TensorFlow: 2,048 features, 1,008 logits.

    With ``resize="tf1"`` it answers as torch-fidelity does, with "clean" as clean-fid. Says little about images that
    are no photographs.

    Args:
        weights: the file ``weights-inception-2015-12-05-6726825d.pth``; None: downloaded once.
        resize: how images become 299×299, see `gan_lab.metrics.resize`.

    Raises:
        ValueError: no such file, not these weights, or no network to download them from.
    """

    what, variant = "this Inception-v3", "inception-v1"
    url = "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth"
    published = "6726825d"
    dim, classes, size = 2048, 1008, 299
    mean, std = (128.0,), (128.0,)

    def build(self, state: dict[str, Tensor]) -> nn.Module:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

        # torch-fidelity unpickles whatever it is given, so it is given tensors that were read safely and written anew
        safe = io.BytesIO()
        torch.save(state, safe)
        safe.seek(0)
        return FeatureExtractorInceptionV3(
            "inception-v3-compat", ["2048", "logits_unbiased"], feature_extractor_weights_path=safe
        )

    def look(self, images: Tensor) -> tuple[Tensor, Tensor]:
        layers: Any = dict(self.network.named_children())  # in the order in which they follow each other
        head = layers.pop("fc")
        for layer in layers.values():
            images = layer(images)
        features = images.flatten(1)
        return features, features @ head.weight.T  # the Inception score leaves the bias out
