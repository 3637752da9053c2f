"""How an image gets the size that an extractor wants: the filter moves a score by several points, so protocols name it.

"tf1": TensorFlow 1's bilinear filter, without anti-aliasing, as in the first implementations and in torch-fidelity;
"clean": bicubic and antialiased, as in clean-fid (Parmar, Zhang & Zhu 2022, arXiv:2104.11222), in floats, not rounded
or clipped afterwards; "bilinear": antialiased too, as torchmetrics has it.
"""

from typing import Literal, get_args

from torch import Tensor
from torch.nn import functional as F

Resize = Literal["tf1", "clean", "bilinear"]


def resized(images: Tensor, size: int, how: Resize) -> Tensor:
    """Images (n, c, height, width) of 0 … 255 as float32 (n, c, size, size), on the same scale.

    Raises:
        ValueError: no such way.
    """
    if how not in get_args(Resize):
        raise ValueError(f"there is no resizing {how!r}: choose from {', '.join(get_args(Resize))}")
    if how == "tf1":
        from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

        return interpolate_bilinear_2d_like_tensorflow1x(images.float(), size=(size, size), align_corners=False)
    mode = "bicubic" if how == "clean" else "bilinear"
    return F.interpolate(images.float(), (size, size), mode=mode, antialias=True, align_corners=False)
