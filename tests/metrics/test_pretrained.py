"""Weights from files: read as tensors or not at all, named in the protocol; DINOv2 and CLIP on small random ones."""

from urllib.error import URLError

import numpy as np
import pytest
import torch
from PIL import Image
from small_weights import clip_state, dinov2_state

from gan_lab.metrics import EXTRACTORS, CLIPFeatures, DINOv2Features, InceptionFeatures
from gan_lab.metrics.resize import resized


def images(n, channels=3, size=24, seed=0):
    stream = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, channels, size, size), generator=stream, dtype=torch.uint8)


@pytest.fixture
def offline(monkeypatch, tmp_path):
    def fails(*args, **kwargs):
        raise URLError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", fails)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))


@pytest.mark.parametrize("extractor", EXTRACTORS.values(), ids=EXTRACTORS)
def test_no_network_asks_for_the_file(extractor, offline):
    with pytest.raises(ValueError, match="give the file's path") as caught:
        extractor()
    assert extractor.url in str(caught.value)
    assert "\n" not in str(caught.value)


def test_downloads_are_checked_and_kept(monkeypatch, tmp_path):
    asked = []

    def hub(url, path, prefix, progress):
        asked.append((url, prefix))
        torch.save({}, path)

    monkeypatch.setattr(torch.hub, "download_url_to_file", hub)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    for _ in range(2):
        with pytest.raises(ValueError, match="doesn't hold the weights"):
            InceptionFeatures()
    assert asked == [(InceptionFeatures.url, "6726825d")]


class Stranger:
    def __reduce__(self):
        return (exec, ("raise SystemExit('a stranger ran')",))


@pytest.mark.parametrize("extractor", EXTRACTORS.values(), ids=EXTRACTORS)
def test_files_that_hold_no_weights(extractor, tmp_path):
    with pytest.raises(ValueError, match="no file"):
        extractor(tmp_path / "absent.pth")
    (tmp_path / "text.pth").write_text("not weights")
    with pytest.raises(ValueError, match="read safely"):
        extractor(tmp_path / "text.pth")
    torch.save({"weight": Stranger()}, tmp_path / "stranger.pth")
    with pytest.raises(ValueError, match="read safely"):
        extractor(tmp_path / "stranger.pth")
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match="doesn't hold the weights") as caught:
        extractor(tmp_path / "other.pth")
    assert "\n" not in str(caught.value)


# Resizing


def by_pillow(image, size, how):
    """clean-fid's way: each channel in floating point, antialiased by Pillow."""
    channels = [Image.fromarray(channel.astype(np.float32)) for channel in image.numpy()]
    return np.stack([np.asarray(channel.resize((size, size), how)) for channel in channels])


@pytest.mark.parametrize(("how", "pillow"), [("clean", Image.BICUBIC), ("bilinear", Image.BILINEAR)])
@pytest.mark.parametrize(("before", "after"), [(64, 299), (300, 64), (32, 32), (50, 33)])
def test_clean_resizing_is_pillows(how, pillow, before, after):
    (image,) = images(1, size=before)
    found = resized(image.unsqueeze(0), after, how)[0].numpy()
    np.testing.assert_allclose(found, by_pillow(image, after, pillow), atol=2e-3)


def test_clean_resizing_neither_rounds_nor_clips():
    stripes = torch.zeros(1, 1, 8, 8, dtype=torch.uint8)
    stripes[..., ::4] = 255
    found = resized(stripes, 29, "clean")
    assert found.min() < -1
    assert found.max() > 256 or found.max() != found.max().round()


def test_without_antialiasing_stripes_alias():
    """1-pixel stripes, 64 to 16, at two shifts: antialiased they are grey both times, else what a shift makes them."""
    stripes = torch.zeros(1, 1, 64, 64, dtype=torch.uint8)
    stripes[..., ::2] = 255
    for how, least, most in (("clean", 110, 145), ("bilinear", 110, 145), ("tf1", 0, 255)):
        middle = [resized(image, 16, how)[..., 4:-4].mean().item() for image in (stripes, stripes.roll(1, -1))]
        assert middle == pytest.approx([most, least], abs=20 if how != "tf1" else 1) or how != "tf1"
        if how != "tf1":
            assert all(least < value < most for value in middle)


def test_an_unknown_resizing_is_refused_before_a_download(offline):
    with pytest.raises(ValueError, match="tf1, clean, bilinear"):
        InceptionFeatures(resize="lanczos")


# DINOv2 and CLIP, at a size that fits a test


@pytest.mark.parametrize("swiglu", [False, True])
def test_dinov2_equals_a_slow_oracle(tmp_path, swiglu):
    """One image through plain NumPy: attention head by head, places interpolated as the authors' code does."""
    state = dinov2_state(swiglu=swiglu)
    torch.save(state, tmp_path / "dinov2.pth")
    features = DINOv2Features(tmp_path / "dinov2.pth")
    image = images(2)
    found, logits = features(image)
    assert (features.dim, features.classes, logits.shape) == (128, 0, (2, 0))
    assert features.name == f"dinov2-vit-128-14-tf1-{features.sha[:8]}"
    mean, std = (torch.tensor(c).view(-1, 1, 1) for c in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    x = ((resized(image, 224, "tf1")[0] / 255 - mean) / std).double().numpy()
    expected = dinov2_oracle({name: part.double().numpy() for name, part in state.items()}, x, depth=2)
    np.testing.assert_allclose(found[0].numpy(), expected, rtol=1e-3, atol=1e-4)


def dinov2_oracle(w, image, depth):
    side, dim = 224 // 14, w["norm.weight"].shape[0]
    patches = image.reshape(3, side, 14, side, 14).transpose(1, 3, 0, 2, 4).reshape(side * side, -1)
    tokens = patches @ w["patch_embed.proj.weight"].reshape(dim, -1).T + w["patch_embed.proj.bias"]
    grid = torch.tensor(w["pos_embed"][:, 1:]).reshape(1, 37, 37, dim).permute(0, 3, 1, 2)
    grid = torch.nn.functional.interpolate(grid, scale_factor=(16.1 / 37, 16.1 / 37), mode="bicubic")
    places = np.concatenate([w["pos_embed"][0, :1], grid[0].flatten(1).T.numpy()])
    x = np.concatenate([w["cls_token"][0], tokens]) + places

    def norm(x, name):
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6)
        return x * w[f"{name}.weight"] + w[f"{name}.bias"]

    def linear(x, name):
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    for i in range(depth):
        q, k, v = np.split(linear(norm(x, f"blocks.{i}.norm1"), f"blocks.{i}.attn.qkv"), 3, axis=-1)
        heads = []
        for h in range(0, dim, 64):
            a = q[:, h : h + 64] @ k[:, h : h + 64].T / 8
            a = np.exp(a - a.max(-1, keepdims=True))
            heads.append(a / a.sum(-1, keepdims=True) @ v[:, h : h + 64])
        x = x + w[f"blocks.{i}.ls1.gamma"] * linear(np.concatenate(heads, -1), f"blocks.{i}.attn.proj")
        inside = norm(x, f"blocks.{i}.norm2")
        if f"blocks.{i}.mlp.w12.weight" in w:
            gate, value = np.split(linear(inside, f"blocks.{i}.mlp.w12"), 2, axis=-1)
            inside = linear(gate * sigmoid(gate) * value, f"blocks.{i}.mlp.w3")
        else:
            wide = torch.tensor(linear(inside, f"blocks.{i}.mlp.fc1"))
            inside = linear(torch.nn.functional.gelu(wide).numpy(), f"blocks.{i}.mlp.fc2")
        x = x + w[f"blocks.{i}.ls2.gamma"] * inside
    return norm(x, "norm")[0]


def test_clip_equals_torch_fidelity(tmp_path, monkeypatch):
    from torch_fidelity.feature_extractor_clip import FeatureExtractorCLIP

    state = clip_state()
    torch.save(state, tmp_path / "clip.pth")
    features = CLIPFeatures(tmp_path / "clip.pth")
    assert (features.dim, features.size, features.classes) == (32, 32, 0)
    assert features.name == f"clip-tf1-{features.sha[:8]}"

    class Archive:
        def state_dict(self):
            return dict(state)

    monkeypatch.setattr(torch.jit, "load", lambda *args, **kwargs: Archive())
    theirs = FeatureExtractorCLIP("clip-vit-b-32", ["clip"], feature_extractor_weights_path="any", verbose=False)
    torch.testing.assert_close(features(images(3))[0], theirs(images(3))[0])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_strangers_program_is_no_clip(tmp_path):
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(tmp_path / "program.pt"))
    with pytest.raises(ValueError, match="a program, and none that OpenAI published"):
        CLIPFeatures(tmp_path / "program.pt")
