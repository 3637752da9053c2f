from urllib.error import URLError

import pytest
import torch
import torchvision

from gan_lab.data import CIFAR10, MNIST, DataError, FashionMNIST

SETS = [MNIST, FashionMNIST, CIFAR10]


@pytest.fixture
def offline(monkeypatch):
    def refuse(*args, **kwargs):
        raise URLError("Temporary failure in name resolution")

    monkeypatch.setattr("urllib.request.urlopen", refuse)


def test_mnist_is_what_torchvision_reads(mnist_root):
    data = MNIST(str(mnist_root), download=False, validation=20)
    official = torchvision.datasets.MNIST(mnist_root, train=False)
    test = data.items("test")
    assert torch.equal(test.content, official.data.unsqueeze(1))
    assert torch.equal(test.labels, official.targets)
    assert [len(data.items(split)) for split in ("train", "validation", "test")] == [40, 20, 20]


def test_cifar_is_what_torchvision_reads(cifar_root):
    data = CIFAR10(str(cifar_root), download=False, validation=10)
    official = torchvision.datasets.CIFAR10(cifar_root, train=False)
    pixel = torchvision.transforms.functional.pil_to_tensor(official[3][0])
    assert torch.equal(data.items("test").content[3], pixel)
    assert [len(data.items(split)) for split in ("train", "validation", "test")] == [40, 10, 10]


def test_downloaded_archives_are_unpacked(mnist_gz_root, offline):
    data = MNIST(str(mnist_gz_root), validation=20)
    data.prepare_data()
    assert len(data.items("train")) == 40


def test_resizing_is_recorded(mnist_root):
    data = MNIST(str(mnist_root), validation=20, size=32)
    assert data.shape == data.items("test").shape == (1, 32, 32)
    assert data.name == "mnist.1x32x32.bicubic"
    assert MNIST.shape == (1, 28, 28)
    assert data.items("test").content.dtype == torch.uint8


@pytest.mark.parametrize("dataset", SETS)
def test_a_missing_folder_is_one_line(dataset, tmp_path):
    data = dataset(str(tmp_path), download=False)
    data.prepare_data()
    with pytest.raises(DataError, match=rf"{dataset.folder}.*--data\.download=true") as error:
        data.items("train")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("dataset", SETS)
def test_no_network_is_one_line(dataset, tmp_path, offline):
    data = dataset(str(tmp_path))
    for ask in (data.prepare_data, data.train_dataloader):
        with pytest.raises(DataError, match=rf"fetching it failed \(.*put .* into .*{dataset.folder}") as error:
            ask()
        assert "\n" not in str(error.value)


def test_a_truncated_file_is_one_line(mnist_root):
    path = mnist_root / "MNIST" / "raw" / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataError, match="put train-images") as error:
        MNIST(str(mnist_root), download=False).items("train")
    assert "\n" not in str(error.value)
