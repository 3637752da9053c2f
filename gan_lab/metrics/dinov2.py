"""DINOv2 as an extractor: a vision transformer trained without labels, which sees more than ImageNet's classes."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_lab.metrics.pretrained import Pretrained

HEAD = 64  # features of an attention head, in every DINOv2
SIZES = {384: "s", 768: "b", 1024: "l", 1536: "g"}


class DINOv2Features(Pretrained):
    """The class token of DINOv2 (Oquab et al. 2023, arXiv:2304.07193), normalised by its last layer: FD-DINOv2.

    Size and depth follow from the weights; the download is ViT-L/14, the usual choice (Stein et al. 2023,
    arXiv:2306.04675). torch-fidelity runs the authors' own code from the network for this; here the network is written
    out, so that a file of weights is enough.

    Args:
        weights: a file ``dinov2_vit{s,b,l,g}14_pretrain.pth``; None: downloaded once.
        resize: how images become 224×224, see `gan_lab.metrics.resize`.

    Raises:
        ValueError: no such file, not these weights, or no network to download them from.
    """

    what = "DINOv2"
    url = "https://dl.fbaipublicfiles.com/dinov2/dinov2_vitl14/dinov2_vitl14_pretrain.pth"
    size = 224
    mean = (255 * 0.485, 255 * 0.456, 255 * 0.406)
    std = (255 * 0.229, 255 * 0.224, 255 * 0.225)

    def build(self, state: dict[str, Tensor]) -> nn.Module:
        network = VisionTransformer(state)
        network.load_state_dict({name: part for name, part in state.items() if name != "mask_token"})
        self.dim = network.dim
        self.variant = f"dinov2-vit-{SIZES.get(self.dim, self.dim)}-{network.patch}"
        return network


class VisionTransformer(nn.Module):
    """(n, 3, height, width) to the class token (n, dim); parameters are named as in the published files.

    Args:
        state: the weights that will be loaded, from which all sizes follow.
    """

    def __init__(self, state: dict[str, Tensor]) -> None:
        super().__init__()
        self.dim, _, self.patch, _ = state["patch_embed.proj.weight"].shape
        self.cls_token = nn.Parameter(torch.empty(1, 1, self.dim))
        self.pos_embed = nn.Parameter(torch.empty_like(state["pos_embed"]))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, self.dim, self.patch, stride=self.patch)})
        depth = 1 + max(int(name.split(".")[1]) for name in state if name.startswith("blocks."))
        self.blocks = nn.Sequential(*(Block(self.dim, state) for _ in range(depth)))
        self.norm = nn.LayerNorm(self.dim, eps=1e-6)

    def forward(self, images: Tensor) -> Tensor:
        patches = self.patch_embed["proj"](images)
        places = self._places(*patches.shape[-2:])
        tokens = torch.cat([self.cls_token.expand(len(images), -1, -1), patches.flatten(2).mT], dim=1)
        return self.norm(self.blocks(tokens + places)[:, 0])

    def _places(self, height: int, width: int) -> Tensor:
        """The learned places, brought from the training's grid to this one as the original does: a tenth of a patch
        more than asked for, so that rounding never loses a row."""
        grid = round((self.pos_embed.shape[1] - 1) ** 0.5)
        if (height, width) == (grid, grid):
            return self.pos_embed
        square = self.pos_embed[:, 1:].reshape(1, grid, grid, self.dim).permute(0, 3, 1, 2)
        scale = ((height + 0.1) / grid, (width + 0.1) / grid)
        square = F.interpolate(square, scale_factor=scale, mode="bicubic")
        return torch.cat([self.pos_embed[:, :1], square.flatten(2).mT], dim=1)


class Block(nn.Module):
    """Attention, then an MLP (SwiGLU in the largest model), each normalised before and scaled after."""

    def __init__(self, dim: int, state: dict[str, Tensor]) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim, eps=1e-6), nn.LayerNorm(dim, eps=1e-6)
        self.attn = nn.ModuleDict({"qkv": nn.Linear(dim, 3 * dim), "proj": nn.Linear(dim, dim)})
        self.ls1, self.ls2 = (nn.ParameterDict({"gamma": torch.ones(dim)}) for _ in range(2))
        shapes = {name: state[f"blocks.0.mlp.{name}.weight"].shape for name in ("fc1", "fc2", "w12", "w3")
                  if f"blocks.0.mlp.{name}.weight" in state}  # fmt: skip
        self.mlp = nn.ModuleDict({name: nn.Linear(inside, outside) for name, (outside, inside) in shapes.items()})

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.ls1["gamma"] * self._attention(self.norm1(x))
        return x + self.ls2["gamma"] * self._mlp(self.norm2(x))

    def _attention(self, x: Tensor) -> Tensor:
        n, tokens, dim = x.shape
        q, k, v = self.attn["qkv"](x).view(n, tokens, 3, dim // HEAD, HEAD).permute(2, 0, 3, 1, 4)
        return self.attn["proj"](F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, tokens, dim))

    def _mlp(self, x: Tensor) -> Tensor:
        layers: Any = self.mlp
        if "w12" not in layers:
            return layers["fc2"](F.gelu(layers["fc1"](x)))
        gate, value = layers["w12"](x).chunk(2, dim=-1)
        return layers["w3"](F.silu(gate) * value)
