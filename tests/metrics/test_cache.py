"""Laws of the cache: what comes back is what was kept, and nothing else ever comes back."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from gan_lab.metrics import cache

KEY = cache.digest("a key")
KEPT = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.zeros(0, 4), "c": torch.tensor(3, dtype=torch.int64)}


class Maker:
    def __init__(self):
        self.calls = 0

    def __call__(self):
        self.calls += 1
        return KEPT


def file(folder):
    (path,) = Path(folder).iterdir()
    return path


def test_made_once(tmp_path):
    make = Maker()
    for _ in range(2):
        found = cache.cached("thing", KEY, make, tmp_path)
        assert found.keys() == KEPT.keys()
        for name in KEPT:
            assert torch.equal(found[name], KEPT[name])
            assert found[name].dtype == KEPT[name].dtype
    assert make.calls == 1
    cache.cached("thing", cache.digest("another key"), make, tmp_path)
    assert make.calls == 2


def flipped(path):
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "harm",
    [
        flipped,
        lambda path: path.write_bytes(path.read_bytes()[:-5]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_text("a stranger's file"),
        lambda path: save_file(KEPT, path),
        lambda path: cache.write(path, cache.digest("another key"), KEPT),
    ],
    ids=["flipped", "cut", "empty", "text", "untagged", "another-key"],
)
def test_harmed_files_are_made_anew_with_a_warning(tmp_path, harm):
    make = Maker()
    cache.cached("thing", KEY, make, tmp_path)
    harm(file(tmp_path))
    with pytest.warns(UserWarning, match="made anew"):
        cache.cached("thing", KEY, make, tmp_path)
    assert make.calls == 2
    cache.cached("thing", KEY, make, tmp_path)
    assert make.calls == 2


def test_a_folder_that_cannot_be_written_costs_time_only(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.warns(UserWarning, match="GAN_LAB_CACHE"):
        found = cache.cached("thing", KEY, Maker(), tmp_path / "taken" / "below")
    assert torch.equal(found["a"], KEPT["a"])


def test_nothing_unfinished_stays(tmp_path, monkeypatch):
    def fails(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(cache.os, "replace", fails)
    with pytest.warns(UserWarning, match="disk full"):
        cache.cached("thing", KEY, Maker(), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_file_cut_short_in_mid_run_takes_nothing_away(tmp_path):
    large = {"a": torch.arange(100_000.0)}
    for _ in range(2):  # made, then read
        found = cache.cached("thing", KEY, lambda: large, tmp_path)
        with open(file(tmp_path), "r+b") as kept:
            kept.truncate(100)
        assert torch.equal(found["a"], large["a"])
        file(tmp_path).unlink()
        assert torch.equal(found["a"], large["a"])


def written_often(folder, value, results):
    for _ in range(30):
        found = cache.cached("thing", KEY, lambda: {"a": torch.full((5000,), 7.0)}, folder)
        cache.write(folder / f"thing-{KEY[:32]}.safetensors", KEY, {"a": torch.full((5000,), 7.0)})
        results.put(bool((found["a"] == 7).all()))
    results.put(value)


def test_two_processes_write_at_once(tmp_path):
    context = torch.multiprocessing.get_context("fork")
    results = context.Queue()
    workers = [context.Process(target=written_often, args=(tmp_path, f"done {i}", results)) for i in range(2)]
    for worker in workers:
        worker.start()
    told = [results.get(timeout=60) for _ in range(62)]
    for worker in workers:
        worker.join(30)
        assert worker.exitcode == 0
    assert sum(one is True for one in told) == 60
    assert [path.name for path in tmp_path.iterdir()] == [f"thing-{KEY[:32]}.safetensors"]


def test_directory(monkeypatch, tmp_path):
    monkeypatch.setenv("GAN_LAB_CACHE", str(tmp_path))
    assert cache.directory() == tmp_path
    monkeypatch.delenv("GAN_LAB_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert cache.directory() == Path("/xdg/gan_lab")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache.directory() == Path.home() / ".cache" / "gan_lab"


def test_digest_tells_shapes_types_and_cuts_apart():
    x = torch.zeros(4)
    parts = [(x,), (x.reshape(2, 2),), (x.int(),), (x[:2], x[2:]), ("ab", "c"), ("a", "bc"), ("abc",)]
    assert len({cache.digest(*part) for part in parts}) == len(parts)
    assert cache.digest(x, "a") == cache.digest(x.clone(), "a")
    assert cache.digest(torch.zeros(3, 2).T) == cache.digest(torch.zeros(2, 3))
