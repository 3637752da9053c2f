"""CLIP's image encoder as an extractor."""

import warnings
import zipfile

import torch
from torch import Tensor, nn

from gan_lab.metrics.pretrained import Pretrained, read_tensors


class CLIPFeatures(Pretrained):
    """The image embedding of CLIP (Radford et al. 2021, arXiv:2103.00020), as torch-fidelity takes it.

    The architecture follows from the weights; the download is ViT-B/32. OpenAI's files are TorchScript archives, which
    are programs: one is opened only if its SHA-256 is that of a published one. Tensors of the same names, written
    by ``torch.save(state_dict)``, are always welcome.

    Args:
        weights: the file; None: downloaded once.
        resize: how images get the model's size, see `gan_lab.metrics.resize`.

    Raises:
        ValueError: no such file, not these weights, an archive that OpenAI didn't publish, or no network.
    """

    what = "CLIP"
    published = "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af"
    url = f"https://openaipublic.azureedge.net/clip/models/{published}/ViT-B-32.pt"
    mean = (255 * 0.48145466, 255 * 0.4578275, 255 * 0.40821073)
    std = (255 * 0.26862954, 255 * 0.26130258, 255 * 0.27577711)

    def read(self) -> dict[str, Tensor]:
        from torch_fidelity.feature_extractor_clip import MODEL_METADATA

        if not _is_program(self.path):
            return read_tensors(self.path)
        known = {about["hash"]: name for name, about in MODEL_METADATA.items()}
        if self.sha not in known:
            raise ValueError(
                f"{self.path} is a TorchScript archive, a program, and none that OpenAI published: give its tensors"
                " instead, as torch.save(model.state_dict()) writes them"
            )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return torch.jit.load(self.path, map_location="cpu").state_dict()

    def build(self, state: dict[str, Tensor]) -> nn.Module:
        from torch_fidelity.feature_extractor_clip import MODEL_METADATA, build_model

        known = {about["hash"]: name for name, about in MODEL_METADATA.items()}
        network = build_model(dict(state), torch.float32).visual
        self.size, self.dim = network.input_resolution, network.output_dim
        self.variant, self.published = known.get(self.sha, "clip"), self.sha if self.sha in known else "none"
        return network


def _is_program(path: object) -> bool:
    if not zipfile.is_zipfile(str(path)):
        return False
    with zipfile.ZipFile(str(path)) as archive:
        return any("/code/" in name or name.endswith("constants.pkl") for name in archive.namelist())
