"""Random weights of extractors, in place of the published ones; DINOv2 and CLIP at a size that fits a test."""

import pytest
import torch


def drawn(shapes, seed=0):
    stream = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=stream) / 10 for name, shape in shapes.items()}


def dinov2_state(dim=128, depth=2, swiglu=False):
    block = {
        "norm1.weight": dim, "norm1.bias": dim, "norm2.weight": dim, "norm2.bias": dim, "ls1.gamma": dim,
        "ls2.gamma": dim, "attn.qkv.weight": (3 * dim, dim), "attn.qkv.bias": 3 * dim, "attn.proj.weight": (dim, dim),
        "attn.proj.bias": dim,
    }  # fmt: skip
    wide = {"w12": (4 * dim, dim), "w3": (dim, 2 * dim)} if swiglu else {"fc1": (4 * dim, dim), "fc2": (dim, 4 * dim)}
    for name, shape in wide.items():
        block |= {f"mlp.{name}.weight": shape, f"mlp.{name}.bias": shape[0]}
    whole = {
        "cls_token": (1, 1, dim), "pos_embed": (1, 1 + 37 * 37, dim), "mask_token": (1, dim), "norm.weight": dim,
        "norm.bias": dim, "patch_embed.proj.weight": (dim, 3, 14, 14), "patch_embed.proj.bias": dim,
    }  # fmt: skip
    return drawn(whole | {f"blocks.{i}.{name}": shape for i in range(depth) for name, shape in block.items()})


def clip_state(width=64, out=32):
    block = {
        "attn.in_proj_weight": (3 * width, width), "attn.in_proj_bias": 3 * width, "attn.out_proj.bias": width,
        "attn.out_proj.weight": (width, width), "ln_1.weight": width, "ln_1.bias": width, "ln_2.weight": width,
        "ln_2.bias": width, "mlp.c_fc.weight": (4 * width, width), "mlp.c_fc.bias": 4 * width,
        "mlp.c_proj.weight": (width, 4 * width), "mlp.c_proj.bias": width,
    }  # fmt: skip
    whole = {
        "class_embedding": width, "positional_embedding": (17, width), "proj": (width, out),
        "conv1.weight": (width, 3, 8, 8), "ln_pre.weight": width, "ln_pre.bias": width, "ln_post.weight": width,
        "ln_post.bias": width,
    }  # fmt: skip
    whole |= {f"transformer.resblocks.0.{name}": shape for name, shape in block.items()}
    return drawn({f"visual.{name}": shape for name, shape in whole.items()} | {"text_projection": (width, out)})


def inception_state():
    """torch-fidelity's Inception, built without its download."""
    from torch_fidelity import feature_extractor_inceptionv3 as theirs

    network = theirs.FeatureExtractorInceptionV3
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        patch.setattr(theirs, "load_state_dict_from_url", lambda *args, **kwargs: {})
        patch.setattr(network, "load_state_dict", lambda self, state: None)
        built = network("inception-v3-compat", ["2048"])
        for module in built.modules():
            if isinstance(module, torch.nn.Conv2d):
                torch.nn.init.kaiming_normal_(module.weight)
    return built.state_dict()
