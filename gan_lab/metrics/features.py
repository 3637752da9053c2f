"""What scores look at: a network turns an image into features, distances between sets of features make the score.

An extractor is one class with a `name`, `dim` and `extract`. Images enter as they would leave a file, uint8: rounding
and clipping move a score, so they are done once, in `to_uint8`.
"""

import io
from abc import ABC, abstractmethod
from pathlib import Path

import torch
from torch import Tensor, nn

from gan_lab.metrics import cache


def to_uint8(images: Tensor) -> Tensor:
    """Images in [−1, 1] as bytes: ``round((x + 1)·127.5)``, clipped; bytes are returned as they are.

    Raises:
        ValueError: a value is NaN or infinite.
    """
    if images.dtype == torch.uint8:
        return images
    if not images.isfinite().all():
        raise ValueError("the images hold NaN or infinite values, which no score can judge: the generator diverged")
    return ((images.detach().float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


class Features(nn.Module, ABC):
    """Turns images into features and logits; frozen, in evaluation mode, in float32 whatever the run's precision.

    Never let a game own one: its weights would land in every checkpoint.

    Attributes:
        name: what protocols call it; a change of weights or preprocessing is a new name.
        dim: the size of a feature vector.
        classes: the number of logits; 0 where it knows no classes, and no Inception score is taken.
    """

    name: str
    dim: int
    classes: int = 0

    @abstractmethod
    def extract(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features (n, dim) and logits (n, classes) of uint8 images (n, channels, height, width)."""

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The same, on the extractor's device and without gradients.

        Raises:
            ValueError: the images aren't uint8, (n, channels, height, width).
        """
        if images.dtype != torch.uint8 or images.ndim != 4:
            raise ValueError(
                f"features are taken of uint8 images (n, channels, height, width), not of {images.dtype}"
                f" {tuple(images.shape)}: convert them with to_uint8"
            )
        with torch.no_grad(), torch.autocast(self.device.type, enabled=False):
            features, logits = self.extract(images.to(self.device))
        return features.float(), logits.float()

    def train(self, mode: bool = True) -> "Features":
        """Stays in evaluation mode, whatever its owner does."""
        return super().train(False)

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next(self.parameters()).device

    def fingerprint(self) -> str:
        """Its name and weights as one digest: what cached statistics depend on."""
        state = sorted(self.state_dict().items())
        return cache.digest(self.name, *(part for key, tensor in state for part in (key, tensor)))


class InceptionFeatures(Features):
    """The Inception-v3 of 2015 that published scores are taken with, as torch-fidelity ported it from TensorFlow.

    Its resizing to 299×299 is TensorFlow 1's bilinear filter, without anti-aliasing ("tf1" in the protocol). Grey
    images are repeated to three channels. Says little about images that are no photographs.

    Args:
        weights: the file ``weights-inception-2015-12-05-6726825d.pth``; downloaded once if not given.

    Raises:
        ValueError: no such file, not these weights, or no network to download them from.
    """

    name = "inception-v1-tf1"
    dim = 2048
    classes = 1008

    def __init__(self, weights: str | Path | None = None) -> None:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

        super().__init__()
        state = _inception_weights(weights)
        # torch-fidelity unpickles whatever it is given, so it is given tensors that were read safely and written anew
        safe = io.BytesIO()
        torch.save(state, safe)
        safe.seek(0)
        try:
            with torch.random.fork_rng(devices=[]):
                self.network = FeatureExtractorInceptionV3(
                    "inception-v3-compat", ["2048", "logits_unbiased"], feature_extractor_weights_path=safe
                )
        except (RuntimeError, TypeError, AttributeError) as error:
            raise ValueError(f"{weights or 'the download'} doesn't hold the weights of this Inception-v3") from error
        self.eval()

    def extract(self, images: Tensor) -> tuple[Tensor, Tensor]:
        if images.shape[1] not in (1, 3):
            raise ValueError(f"Inception sees grey or colour images, not {images.shape[1]} channels")
        features, logits = self.network(images.expand(-1, 3, -1, -1))
        return features, logits


def _inception_weights(weights: str | Path | None) -> dict[str, Tensor]:
    if weights is None:
        return _download()
    if not Path(weights).is_file():
        raise ValueError(f"{weights} is no file: give the path of Inception's weights")
    try:
        return torch.load(weights, map_location="cpu", weights_only=True)
    except Exception as error:  # a broken file fails in many ways, all of them mean the same to its user
        raise ValueError(f"{weights} holds no weights that can be read safely: download it again") from error


def _download() -> dict[str, Tensor]:
    from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3

    try:
        return torch.hub.load_state_dict_from_url(
            URL_INCEPTION_V3, map_location="cpu", check_hash=True, weights_only=True
        )
    except Exception as error:
        raise ValueError(
            f"Inception's weights can't be downloaded ({error}): fetch {URL_INCEPTION_V3} where there is a network"
            " and pass the file's path as `weights`"
        ) from error
