"""A generator alone: what was exported draws the same images anywhere, and runs nobody's code."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from command_line import command
from torch import nn

import gan_lab
from gan_lab.exports import ExportError, export, load_generator
from gan_lab.networks import DCGANGenerator, Embedding, MLPGenerator
from gan_lab.parts import Generator
from gan_lab.priors import Gaussian, Sphere, Uniform
from gan_lab.recipes import RecipeError, Recorded

DRAWERS: dict[str, tuple[Generator, nn.Module]] = {
    "points": (MLPGenerator((2,), 4, [8]), Gaussian(4)),
    "images": (DCGANGenerator((3, 12, 20), 6, width=8), Uniform(6)),
    "classes": (DCGANGenerator((1, 8, 8), 6, width=8, base_size=2, condition=Embedding(3, 5)), Sphere(6)),
}
every_drawer = pytest.mark.parametrize("name", DRAWERS)


@every_drawer
def test_what_was_exported_draws_the_same(name: str, tmp_path: Path) -> None:
    generator, prior = DRAWERS[name]
    about = {"scores": {"fid": {"value": 1.0, "protocol": "fid1_x"}}}
    loaded = gan_lab.load_generator(export(generator, prior, tmp_path / "out", about))
    assert torch.equal(loaded.sample(7, seed=3), gan_lab.sampling.draw(generator, prior, 7, seed=3))
    assert loaded.about["shape"] == list(generator.shape)
    assert loaded.about["scores"] == about["scores"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"generator.safetensors", "generator.json"}


def test_reading_an_export_needs_no_lightning(tmp_path: Path) -> None:
    export(*DRAWERS["classes"], tmp_path)
    script = (
        "import sys, gan_lab; gan_lab.load_generator(sys.argv[1]).sample(2, seed=0);"
        "sys.exit(any(name.split('.')[0] in ('pytorch_lightning', 'jsonargparse') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", script, str(tmp_path)], timeout=120).returncode == 0


def test_what_is_no_export_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"it has no generator\.safetensors"):
        load_generator(tmp_path)
    folder = export(*DRAWERS["points"], tmp_path / "cut")
    whole = (folder / "generator.safetensors").read_bytes()
    (folder / "generator.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ExportError, match="is no exported generator"):
        load_generator(folder)
    (folder / "generator.safetensors").write_bytes(whole)
    about = json.loads((folder / "generator.json").read_text())
    about["generator"]["init_args"]["hidden"] = [9]
    (folder / "generator.json").write_text(json.dumps(about))
    with pytest.raises(ExportError, match="don't fit the generator"):
        load_generator(folder)


def test_a_strangers_class_is_refused_by_name(tmp_path: Path) -> None:
    ran: list[int] = []

    class Stranger(Recorded, nn.Module):
        def __init__(self) -> None:
            super().__init__()
            ran.append(1)

    folder = export(*DRAWERS["points"], tmp_path)
    about = json.loads((folder / "generator.json").read_text())
    for path in (f"{__name__}.Stranger", "os.system", "gan_lab.cli.main"):
        about["prior"] = {"class_path": path, "init_args": {}}
        (folder / "generator.json").write_text(json.dumps(about))
        with pytest.raises(RecipeError, match=path):
            load_generator(folder)
    assert not ran


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    small = [f"--model.{player}.width=8" for player in ("generator", "discriminator")]
    config = Path(__file__).parents[1] / "configs" / "digits" / "cgan.yaml"
    settings = ["--rounds=20", "--trainer.val_check_interval=20", "--samples.num=4", *small]
    said = command(folder, "fit", "--config", config, *settings)
    assert said.code == 0, said.err
    return folder / "runs" / "cgan" / "0"


def test_the_command_exports_scores_and_all(checkpoint: Path, tmp_path: Path) -> None:
    said = command(tmp_path, "export", checkpoint, "--out", "digits")
    assert (said.code, said.out) == (0, "digits\n"), said.err
    loaded, game = load_generator(tmp_path / "digits"), gan_lab.load(checkpoint)
    torch.testing.assert_close(loaded.sample(5, seed=1), game.sample(5, seed=1))  # type: ignore[operator]
    assert loaded.about["rounds"] == 20
    assert loaded.about["scores"]["fid"]["protocol"] == "fid600_digits-train_classifier-v1"
    assert command(tmp_path, "sample", "digits", "--out", "grid.png").code == 0
    assert (tmp_path / "grid.png").is_file()


def test_onnx_draws_the_same_images(checkpoint: Path, tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    said = command(tmp_path, "export", checkpoint, "--out", "digits", "--format", "onnx")
    assert said.code == 0, said.err
    generator = load_generator(tmp_path / "digits")
    z, labels = torch.randn(5, generator.prior.dim), torch.arange(5)
    session = runtime.InferenceSession(tmp_path / "digits" / "generator.onnx")
    drawn = session.run(None, {"z": z.numpy(), "condition": labels.numpy()})[0]
    torch.testing.assert_close(torch.from_numpy(drawn), generator(z, labels), rtol=0, atol=1e-4)


def test_torch_export_draws_the_same_images(checkpoint: Path, tmp_path: Path) -> None:
    said = command(tmp_path, "export", checkpoint, "--out", "digits", "--format", "torch.export")
    assert said.code == 0, said.err
    generator = load_generator(tmp_path / "digits")
    z, labels = torch.randn(5, generator.prior.dim), torch.arange(5)
    program = torch.export.load(tmp_path / "digits" / "generator.pt2").module()
    torch.testing.assert_close(program(z, labels), generator(z, labels), rtol=0, atol=1e-5)
