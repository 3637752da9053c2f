import os

import numpy as np
import pytest
import torch
from PIL import Image

from gan_lab.data import DataError, Files, ImageFolder
from gan_lab.data import items as items_module


def one(root, **kwargs) -> torch.Tensor:
    """The only image of a folder, decoded."""
    data = ImageFolder(str(root), **kwargs)
    return data.read(os.path.join(data.root, data.paths[0]))


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_every_mode_comes_in_the_channels_asked_for(folder, mode, channels):
    data = ImageFolder(str(folder(4, mode=mode)), size=[8, 6], channels=channels, validation=1)
    assert data.shape == (channels, 8, 6)
    assert data.items("train").held(torch.device("cpu")).content.shape == (3, channels, 8, 6)


@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits_are_scaled_not_cut_off(tmp_path, channels):
    deep = np.array([[0, 257, 25700], [32896, 65278, 65535]], dtype=np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    image = one(tmp_path, size=[2, 3], channels=channels)
    assert image[0].tolist() == [[0, 1, 100], [128, 254, 255]]


def test_what_is_transparent_is_white(tmp_path):
    Image.new("RGBA", (4, 4), (200, 0, 0, 0)).save(tmp_path / "glass.png")
    assert one(tmp_path, size=4).unique().tolist() == [255]
    assert one(tmp_path, size=4, channels=4)[:, 0, 0].tolist() == [200, 0, 0, 0]


def test_photographs_are_turned_upright(tmp_path):
    stripes = Image.fromarray(np.array([[0, 255], [0, 255]], dtype=np.uint8))
    exif = stripes.getexif()
    exif[0x0112] = 6  # stored lying on its side
    stripes.save(tmp_path / "photo.png", exif=exif)
    assert one(tmp_path, size=2, channels=1)[0].tolist() == [[0, 0], [255, 255]]


def test_the_centre_is_cropped_or_the_whole_stretched(tmp_path):
    bands = np.repeat(np.array([[0, 100, 200, 0]], dtype=np.uint8), 2, axis=0)  # the middle 2×2 is 100, 200
    Image.fromarray(bands).save(tmp_path / "bands.png")
    assert one(tmp_path, size=2, channels=1)[0].tolist() == [[100, 200], [100, 200]]
    assert one(tmp_path, size=[2, 4], channels=1, crop="none")[0].tolist() == bands.tolist()
    stretched = one(tmp_path, size=2, channels=1, crop="none", resize="nearest")[0]
    assert set(stretched.unique().tolist()) <= {0, 100, 200}


def test_sub_folders_are_classes_where_all_images_lie_in_some(folder):
    root = folder(10, ("b", "a/deeper"))
    data = ImageFolder(str(root), size=8)
    assert (data.classes, data.num_classes) == (["a", "b"], 2)
    assert data.items("train").labels.bincount().tolist() == [9, 9]
    folder(1)
    assert ImageFolder(str(root)).num_classes is None


def test_one_sub_folder_is_no_class(folder):
    assert ImageFolder(str(folder(4, ("only",)))).num_classes is None


def test_hidden_files_and_others_are_passed_over(folder):
    root = folder(3)
    (root / "._000.png").write_bytes(b"resource fork")
    (root / "notes.txt").write_text("no image")
    (root / ".cache").mkdir()
    (root / "000.png").rename(root / ".cache" / "000.png")
    assert ImageFolder(str(root)).paths == ["001.png", "002.png"]


def test_links_are_followed_and_circles_end(folder):
    root, elsewhere = folder(2), folder(3, root="elsewhere")
    (root / "more").symlink_to(elsewhere, target_is_directory=True)
    (root / "round").symlink_to(root, target_is_directory=True)
    assert len(ImageFolder(str(root)).paths) == 5


def test_the_name_says_what_was_done_to_the_images(folder):
    data = ImageFolder(str(folder(2, root="img_align-celeba")), size=[8, 6], resize="bicubic", crop="none")
    assert data.name == "img.align.celeba.3x8x6.bicubic.none"


def test_the_fingerprint_sees_pixels_settings_and_not_the_place(folder):
    root = folder(20)
    first = ImageFolder(str(root), size=8, validation=0.5).fingerprint("train")
    assert ImageFolder(str(root), size=8, validation=0.5).fingerprint("train") == first
    assert ImageFolder(str(root), size=8, validation=0.5, resize="bicubic").fingerprint("train") != first
    moved = root.rename(root.parent / "moved")
    data = ImageFolder(str(moved), size=8, validation=0.5)
    assert data.fingerprint("train") == first
    path = data.items("train").paths[0]
    with Image.open(path) as image:
        pixels = np.array(image)
    pixels[0, 0, 0] ^= 1
    Image.fromarray(pixels).save(path)
    assert ImageFolder(str(moved), size=8, validation=0.5).fingerprint("train") != first


def test_what_fits_is_held_and_what_does_not_is_streamed(folder, monkeypatch):
    data = ImageFolder(str(folder(20)), size=8, workers=0, batch_size=4)
    held = data.train_dataloader()
    monkeypatch.setattr(items_module, "MEMORY_LIMIT", 18 * 3 * 8 * 8 - 1)
    streamed = ImageFolder(data.root, size=8, workers=0, batch_size=4).train_dataloader()
    assert not isinstance(held.items, Files)
    assert isinstance(streamed.items, Files)
    for (left,), (right,) in zip(held, streamed, strict=True):
        assert torch.equal(left, right)


def test_a_long_decode_shows_its_progress(folder, monkeypatch, capsys):
    monkeypatch.setattr(items_module, "PATIENCE", -1.0)
    ImageFolder(str(folder(20)), size=8, batch_size=4).train_dataloader()
    assert "Decoding images" in capsys.readouterr().err


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("how", ["held", "streamed"])
def test_a_broken_image_is_named_in_one_line(folder, request, how, workers):
    root = folder(8)
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(root / "broken.jpg")
    (root / "broken.jpg").write_bytes((root / "broken.jpg").read_bytes()[:600])
    if how == "streamed":
        request.getfixturevalue("streamed")
    data = ImageFolder(str(root), size=8, validation=1, batch_size=2, workers=workers)
    split = "train" if any("broken" in path for path in data.items("train").paths) else "validation"
    with pytest.raises(DataError, match=r"broken\.jpg can't be read") as error:
        list(data.reals(split))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"<html>quota exceeded</html>", b"\x89PNG\r\n\x1a\nrubbish"])
def test_rubbish_is_named_in_one_line(tmp_path, content):
    (tmp_path / "rubbish.png").write_bytes(content)
    with pytest.raises(DataError, match=r"rubbish\.png") as error:
        one(tmp_path)
    assert "\n" not in str(error.value)


def test_floating_point_images_are_refused(tmp_path):
    Image.fromarray(np.zeros((4, 4), dtype=np.float32)).save(tmp_path / "float.tif")
    with pytest.raises(DataError, match=r"float\.tif.*unknown range"):
        one(tmp_path)


@pytest.mark.parametrize("size", [0, [8], [8, 8, 8], [8, -1]])
def test_odd_sizes_are_refused(folder, size):
    with pytest.raises(DataError, match=r"--data\.size"):
        ImageFolder(str(folder(2)), size=size)


def test_a_missing_or_empty_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        ImageFolder(str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match="no image"):
        ImageFolder(str(tmp_path))
