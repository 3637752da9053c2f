"""``gan-lab evaluate``: one object a machine can read, one pass over the reals, one line for whatever is wrong."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import CONFIG, Said
from PIL import Image
from small_weights import clip_state, inception_state

import gan_lab
from gan_lab.data import Digits
from gan_lab.data.folder import Decoder
from gan_lab.metrics import ClassifierFeatures, CLIPFeatures, ImageScores, RealStatistics, chosen

FIVE = ["fid", "kid", "isc", "precision", "recall", "density", "coverage"]
Command = Callable[..., Said]


def pictures(folder: Path, n: int, seed: int = 0, size: int = 12, channels: int = 3, dim: int = 1) -> Path:
    folder.mkdir(parents=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (n, size, size, channels), dtype=np.uint8) // dim
    for i, image in enumerate(pixels):
        Image.fromarray(image.squeeze()).save(folder / f"{i:04}.png")
    return folder


@pytest.fixture
def clip(tmp_path: Path) -> tuple[str, ...]:
    """Options for an extractor that costs little, and its 32 features."""
    torch.save(clip_state(), tmp_path / "clip.pth")
    return "--features", "clip", "--weights", str(tmp_path / "clip.pth")


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    return pictures(tmp_path / "fakes", 50, seed=1, dim=2), pictures(tmp_path / "reals", 61, seed=2)


def last(said: Said) -> dict:
    assert said.code == 0, said.err
    return json.loads(said.out.splitlines()[-1])


def refused(said: Said) -> str:
    assert said.code == 2, said.out
    assert not said.out
    (line,) = [line for line in said.err.splitlines() if not line.startswith("gan-lab: warning")]
    return line.removeprefix("gan-lab: error: ")


def test_a_checkpoint_beside_its_data(gan_lab: Command, trained: tuple[Path, Said]) -> None:
    """The run's own config, the averaged generator, the seed's draws: what the library computes."""
    said = gan_lab("evaluate", trained[0], CONFIG, "--num", 300, "--seed", 5, "--json")
    told = last(said)
    assert list(told) == FIVE
    assert told["fid"]["protocol"] == "fid300_digits-train_classifier-v1"
    assert all(score["floor"] is not None for score in told.values())
    assert "digits-train" in said.out.splitlines()[3]
    data = Digits()
    train, held_out = data.items("train"), data.items("validation")
    features = ClassifierFeatures.trained_on(train.content, train.labels, 10)
    reals = [RealStatistics.of(items.content, features, name) for items, name in ((train, "a"), (held_out, "b"))]
    scores = ImageScores(features, *reals, chosen(["fid", "kid", "isc", "prdc"]))
    scores.update(gan_lab_sample(trained[0], 300, 5))
    for name, score in scores.compute().items():
        assert told[name]["value"] == pytest.approx(score.value, rel=1e-6)
        assert told[name]["floor"] == pytest.approx(score.floor, rel=1e-6)


def gan_lab_sample(run: Path, n: int, seed: int) -> torch.Tensor:
    return gan_lab.load(run).sample(n, seed=seed)


def test_a_run_folder_brings_its_own_reals(gan_lab: Command, trained: tuple[Path, Said]) -> None:
    options = ("--num", 60, "--scores", "fid,memorisation", "--json")
    theirs = last(gan_lab("evaluate", trained[0], trained[0], *options))
    assert theirs == last(gan_lab("evaluate", trained[0] / "checkpoints" / "best.ckpt", CONFIG, *options))
    assert list(theirs) == ["fid", "memorisation"]
    other = last(gan_lab("evaluate", trained[0], CONFIG, *options, "--split", "validation"))
    assert other["fid"]["protocol"] == "fid60_digits-validation_classifier-v1"
    assert other["fid"]["value"] != theirs["fid"]["value"]


def test_an_exported_generator(gan_lab: Command, trained: tuple[Path, Said]) -> None:
    assert gan_lab("export", trained[0], "--out", "exported").code == 0
    options = (CONFIG, "--num", 60, "--scores", "fid", "--json")
    assert last(gan_lab("evaluate", "exported", *options)) == last(gan_lab("evaluate", trained[0], *options))


def test_two_folders(gan_lab: Command, folders: tuple[Path, Path], clip: tuple[str, ...]) -> None:
    told = last(gan_lab("evaluate", *folders, *clip, "--json"))
    assert list(told) == [name for name in FIVE if name != "isc"]
    count, reals, extractor = told["kid"]["protocol"].split("_")
    assert count == "kid50"
    assert reals.startswith("reals-")
    assert extractor.startswith("clip-tf1-")
    assert told["fid"]["floor"] is None
    itself = last(gan_lab("evaluate", folders[1], folders[1], *clip, "--json", "--scores", "fid,prdc"))
    assert itself["fid"]["value"] == pytest.approx(0, abs=1e-6 * told["fid"]["value"])
    assert itself["precision"]["value"] == itself["coverage"]["value"] == 1
    clean = last(gan_lab("evaluate", *folders, *clip, "--json", "--resize", "clean"))
    assert clean["fid"]["protocol"].split("_")[2].startswith("clip-clean-")
    assert clean["fid"]["value"] != told["fid"]["value"]


def test_unseen_reals_give_floors(
    gan_lab: Command, folders: tuple[Path, Path], clip: tuple[str, ...], tmp_path: Path
) -> None:
    unseen = pictures(tmp_path / "unseen", 55, seed=3)
    options = ("--scores", "fid,memorisation", "--unseen", unseen, "--json")
    told = last(gan_lab("evaluate", *folders, *clip, *options))
    assert told["fid"]["floor"] < told["fid"]["value"]
    assert told["memorisation"]["floor"] == pytest.approx(0.5, abs=0.1)
    copies = last(gan_lab("evaluate", folders[1], folders[1], *clip, *options))
    assert copies["memorisation"]["value"] == 1


def test_a_second_evaluation_skips_the_reals(
    gan_lab: Command, folders: tuple[Path, Path], clip: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither their features are taken again nor their files decoded; one pixel more and they are."""
    monkeypatch.setenv("GAN_LAB_CACHE", str(folders[0].parent / "cache"))
    seen, decoded = [], []
    extract, decode = CLIPFeatures.extract, Decoder.__call__
    monkeypatch.setattr(
        CLIPFeatures, "extract", lambda self, images: (seen.append(len(images)), extract(self, images))[1]
    )
    monkeypatch.setattr(Decoder, "__call__", lambda self, path: (decoded.append(path), decode(self, path))[1])
    costs, scores = [], []
    for change in (False, False, True):
        if change:
            path = folders[1] / "0007.png"
            image = np.array(Image.open(path))
            image[3, 4, 1] ^= 1
            Image.fromarray(image).save(path)
        scores.append(last(gan_lab("evaluate", *folders, *clip, "--json")))
        costs.append((sum(seen), len(decoded)))
        seen.clear()
        decoded.clear()
    assert costs == [(111, 111), (50, 50), (111, 111)]
    assert scores[0] == scores[1]
    assert scores[2]["fid"]["protocol"] != scores[1]["fid"]["protocol"]
    assert scores[2]["fid"]["value"] == pytest.approx(scores[1]["fid"]["value"], rel=0.05)


def test_torch_fidelitys_rules(gan_lab: Command, folders: tuple[Path, Path], clip: tuple[str, ...]) -> None:
    from torch_fidelity.metric_kid import kid_features_to_metric

    features = CLIPFeatures(clip[-1])
    images = [torch.stack([torch.tensor(np.array(Image.open(path))) for path in sorted(f.iterdir())]) for f in folders]
    fake, real = (features(image.permute(0, 3, 1, 2))[0] for image in images)
    theirs = kid_features_to_metric(fake, real, kid_subset_size=20, kid_subsets=10, verbose=False)
    options = ("--like", "torch-fidelity", "--subset-size", 20, "--subsets", 10, "--scores", "kid")
    kid = last(gan_lab("evaluate", *folders, *clip, *options, "--json"))["kid"]
    assert kid["value"] == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-4)
    assert kid["error"] == pytest.approx(theirs["kernel_inception_distance_std"] / 3, rel=0.1)  # theirs in float32
    assert kid["protocol"].startswith("kid50-20x10-torchfidelity_")


def test_some_of_a_folder(gan_lab: Command, folders: tuple[Path, Path], clip: tuple[str, ...]) -> None:
    options = (*folders, *clip, "--json", "--scores", "fid", "--num", 33)
    first, again, other = (last(gan_lab("evaluate", *options, "--seed", seed)) for seed in (0, 0, 1))
    assert first == again
    assert first["fid"]["value"] != other["fid"]["value"]
    assert first["fid"]["protocol"].startswith("fid33_")


def test_points_are_scored_by_their_modes(gan_lab: Command, tmp_path: Path) -> None:
    ring = Path(CONFIG).parents[1] / "toy" / "ring8.yaml"
    fit = gan_lab("fit", "--config", ring, "--rounds", 3, "--trainer.val_check_interval", 3, "--samples.every", 3)
    assert fit.code == 0, fit.err
    told = last(gan_lab("evaluate", "runs/ring8/0", ring, "--num", 500, "--json"))
    assert list(told) == ["modes", "high_quality", "reverse_kl"]
    assert told["modes"]["protocol"] == "modes500_ring8-3sigma"


def test_only_like_is_compared_with_like(
    gan_lab: Command, folders: tuple[Path, Path], clip: tuple[str, ...], tmp_path: Path
) -> None:
    said = gan_lab("evaluate", *folders, *clip, "--json")
    (tmp_path / "before.json").write_text(said.out)
    again = gan_lab("evaluate", *folders, *clip, "--against", "before.json", "--json")
    assert "before" in again.out
    assert last(again) == last(said)
    against = ("--against", "before.json")
    line = refused(gan_lab("evaluate", *folders, *clip, *against, "--num", 40))
    assert "fid50_" in line
    assert "fid40_" in line
    assert "differ in the count" in line
    assert "the extractor or its resizing" in refused(
        gan_lab("evaluate", *folders, *clip, *against, "--resize", "bilinear")
    )
    assert "the reals" in refused(gan_lab("evaluate", *folders[::-1], *clip, *against, "--num", 50))
    changed = last(said)
    changed["fid"]["sha256"] = "0" * 16
    (tmp_path / "before.json").write_text(json.dumps(changed))
    assert "under the same names" in refused(gan_lab("evaluate", *folders, *clip, *against))
    (tmp_path / "before.json").write_text("{}")
    assert "holds no scores" in refused(gan_lab("evaluate", *folders, *clip, *against))
    (tmp_path / "before.json").write_text('{"isc": {"value": 1, "protocol": "x"}}')
    assert "none of fid" in refused(gan_lab("evaluate", *folders, *clip, *against))


def test_a_summary_is_an_earlier_result(gan_lab: Command, trained: tuple[Path, Said]) -> None:
    said = gan_lab("evaluate", trained[0], CONFIG, "--num", 600, "--against", trained[0] / "summary.json")
    assert said.code == 0, said.err
    assert "before" in said.out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--num", 51), "holds 50 images, fewer than --num 51"),
        (("--num", 0), "must be 1 or more"),
        (("--num", 1), "1 generated image(s) can't be scored"),
        (("--scores", "fid,kld"), "no score 'kld', did you mean 'kid'?"),
        (("--scores", "isc"), "knows no classes"),
        (("--scores", "memorisation"), "--unseen"),
        (("--subset-size", 51), "give a subset size from 2 to 50"),
        (("--like", "torch-fidelity"), "100 subset(s) of 1000 can't be drawn from 50 generated and 61 real images"),
        (("--features", "classifier"), "the classifier has its own"),
        (("--against", "absent.json"), "absent.json"),
        (("--device", "abacus"), "abacus"),
        (("--splt", "train"), "--splt"),
    ],
)
def test_what_cannot_be_done(
    gan_lab: Command, folders: tuple[Path, Path], clip: tuple[str, ...], options: tuple, said: str
) -> None:
    assert said in refused(gan_lab("evaluate", *folders, *clip, *options))


def test_what_cannot_be_read(
    gan_lab: Command, folders: tuple[Path, Path], clip: tuple[str, ...], tmp_path: Path, trained: tuple[Path, Said]
) -> None:
    fakes, reals = folders

    def line(*arguments: object) -> str:
        return refused(gan_lab("evaluate", *arguments))

    (tmp_path / "empty").mkdir()
    assert "no image in" in line(tmp_path / "empty", reals, *clip)
    assert "no image in" in line(fakes, tmp_path / "empty", *clip)
    assert "there is no" in line(tmp_path / "absent", reals, *clip)
    assert "as REALS" in line(fakes, tmp_path / "absent", *clip)
    small = pictures(tmp_path / "small", 8, size=10)
    assert "12×12 pixels and the reals 10×10" in line(fakes, small, *clip)
    assert "8×8 pixels and the reals 12×12" in line(trained[0], reals, *clip)
    assert "no labels" in line(fakes, reals, "--features", "classifier")
    (fakes / "0020.png").rename(fakes / "0020.txt")
    pictures(tmp_path / "other", 1, size=9)
    (tmp_path / "other" / "0000.png").rename(fakes / "0020.png")
    assert "0020.png is 9×9, but" in line(fakes, reals, *clip)
    (fakes / "0020.png").write_bytes((fakes / "0019.png").read_bytes()[:150])
    assert "0020.png can't be read" in line(fakes, reals, *clip)
    (fakes / "0020.png").unlink()
    (tmp_path / "noyaml.yaml").write_text("data: [")
    assert "no YAML" in line(fakes, tmp_path / "noyaml.yaml", *clip)
    (tmp_path / "nodata.yaml").write_text("model: GAN\n")
    assert "no data section" in line(fakes, tmp_path / "nodata.yaml", *clip)
    (tmp_path / "digit.yaml").write_text("data: Digit\n")
    assert "did you mean 'Digits'" in line(fakes, tmp_path / "digit.yaml", *clip)
    (tmp_path / "stranger.yaml").write_text("data: {class_path: os.path.Joined}\n")
    assert "outside the allowed packages" in line(fakes, tmp_path / "stranger.yaml", *clip)
    torch.save({"a": torch.zeros(2)}, tmp_path / "other.ckpt")
    assert "no checkpoint of gan-lab" in line(tmp_path / "other.ckpt", reals, *clip)


def test_broken_weights(gan_lab: Command, folders: tuple[Path, Path], tmp_path: Path) -> None:
    state = clip_state()
    state["visual.proj"][0, 0] = torch.nan
    torch.save(state, tmp_path / "nan.pth")
    line = refused(gan_lab("evaluate", *folders, "--features", "clip", "--weights", tmp_path / "nan.pth"))
    assert "features hold NaN" in line


def test_few_images_are_told(gan_lab: Command, folders: tuple[Path, Path], clip: tuple[str, ...]) -> None:
    said = gan_lab("evaluate", *folders, *clip, "--num", 32)
    assert said.code == 0
    assert said.err == (
        "gan-lab: warning: the FID of 32 images in 32 dimensions is mostly bias: compare it with equal counts only\n"
    )
    assert not gan_lab("evaluate", *folders, *clip, "--num", 33).err


@pytest.mark.parametrize("mode", ["L", "RGBA", "P"])
def test_modes_of_image_files(gan_lab: Command, tmp_path: Path, clip: tuple[str, ...], mode: str) -> None:
    """Grey files count as grey, all others as colour; the same pixels score the same."""
    plain = pictures(tmp_path / "plain", 30, channels=1)
    other = tmp_path / "other"
    other.mkdir()
    for path in plain.iterdir():
        Image.open(path).convert("RGB").convert(mode).save(other / path.name)
    reals = pictures(tmp_path / "reals", 40, seed=2)
    first, second = (last(gan_lab("evaluate", fakes, reals, *clip, "--json")) for fakes in (plain, other))
    tolerance = 0.05 if mode == "P" else 1e-6  # a palette holds 256 colours, chosen for each image
    assert first["fid"]["value"] == pytest.approx(second["fid"]["value"], rel=tolerance)


@pytest.mark.slow
def test_the_command_equals_torch_fidelitys(gan_lab: Command, folders: tuple[Path, Path], tmp_path: Path) -> None:
    """Folder against folder through Inception with the same weights, both programs by their own routes."""
    from torch_fidelity import calculate_metrics

    torch.save(inception_state(), tmp_path / "inception.pth")
    theirs = calculate_metrics(
        input1=str(folders[0]), input2=str(folders[1]), fid=True, kid=True, isc=True, prc=True, cuda=False, cache=False,
        verbose=False, kid_subset_size=40, kid_subsets=5, save_cpu_ram=True, feature_extractor="inception-v3-compat",
        feature_extractor_weights_path=str(tmp_path / "inception.pth"),
    )  # fmt: skip
    look = ("--features", "inception", "--weights", "inception.pth", "--scores", "fid,kid,isc,prdc")
    rules = ("--like", "torch-fidelity", "--subset-size", 40, "--subsets", 5)
    told = {
        name: score["value"] for name, score in last(gan_lab("evaluate", *folders, *look, *rules, "--json")).items()
    }
    assert told["fid"] == pytest.approx(theirs["frechet_inception_distance"], rel=1e-3)
    assert told["kid"] == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-4)
    assert told["isc"] == pytest.approx(theirs["inception_score_mean"], rel=1e-4)
    assert told["precision"] == pytest.approx(theirs["precision"], abs=1e-7)
    assert told["recall"] == pytest.approx(theirs["recall"], abs=1e-7)
