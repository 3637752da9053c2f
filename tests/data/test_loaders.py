"""Orders are exact: deterministic, sharded without loss, resumed at the very next batch."""

from itertools import chain, islice

import pytest
import torch

from gan_lab.data import DataError, Files, ImageFolder, Table
from gan_lab.data.items import CPU
from gan_lab.data.loaders import EvaluationLoader, Pass, Rounds, TrainingLoader


def table(count: int = 23) -> Table:
    return Table(torch.arange(count, dtype=torch.uint8).view(-1, 1, 1, 1), torch.arange(count))


@pytest.fixture(params=["table", "files, no worker", "files, 2 workers"])
def items(request, folder):
    if request.param == "table":
        return table()
    workers = 2 if "2" in request.param else 0
    return ImageFolder(str(folder(25)), size=8, validation=2, workers=workers).items("train")


def rows(order: Rounds, count: int, epoch: int = 0, position: int = 0) -> list[list[int]]:
    return [batch.tolist() for batch in islice(order.rows(epoch, position, CPU), count)]


def same(left, right) -> bool:
    return len(left) == len(right) and all(
        torch.equal(a, b) for one, other in zip(left, right, strict=True) for a, b in zip(one, other, strict=True)
    )


def test_an_epoch_is_a_permutation_without_its_rest():
    seen = list(chain.from_iterable(rows(Rounds(23, 5), 4)))
    assert len(set(seen)) == 20
    assert set(seen) <= set(range(23))


def test_the_permutation_is_fixed_by_seed_and_epoch():
    assert rows(Rounds(23, 5, seed=1), 8) == rows(Rounds(23, 5, seed=1), 8)
    orders = [rows(Rounds(23, 5, seed), 4, epoch) for seed in range(3) for epoch in range(3)]
    assert all(a != b for i, a in enumerate(orders) for b in orders[:i])


@pytest.mark.parametrize("world", [2, 3])
def test_the_ranks_of_a_round_make_up_the_batch_of_one_process(world):
    whole = rows(Rounds(50, 4 * world), 9)
    parts = [rows(Rounds(50, 4, rank=rank, world=world), 9) for rank in range(world)]
    assert [list(chain(*together)) for together in zip(*parts, strict=True)] == whole


@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize("total", [1, 3, 7, 16, 17, 23, 41])
@pytest.mark.parametrize("batch_size", [1, 2, 4, 64])
def test_evaluation_is_exact(world, total, batch_size):
    orders = [Pass(17, batch_size, total, rank, world) for rank in range(world)]
    batches = [[batch.tolist() for batch in order.rows(CPU)] for order in orders]
    assert sorted(chain(*chain(*batches))) == sorted(i % 17 for i in range(total))
    assert [len(order) for order in orders] == [len(some) for some in batches]
    assert all(0 < len(batch) <= batch_size for some in batches for batch in some)
    if total >= world and batch_size > 1:
        assert len({len(order) for order in orders}) == 1


def test_evaluation_starts_anew():
    loader = EvaluationLoader(table(), Pass(23, 5, None))
    next(iter(loader))
    assert torch.cat([label for _, label in loader]).tolist() == list(range(23))


def test_less_than_one_batch_is_refused():
    with pytest.raises(DataError, match=r"23 images.*--data.batch_size to 11") as error:
        Rounds(23, 12, world=2)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("stop", [0, 1, 3, 4, 6])
def test_resumes_with_the_very_next_batch(items, stop):
    def loader() -> TrainingLoader:
        return TrainingLoader(items, Rounds(23, 5, seed=7))

    def endless(loader):
        while True:
            yield from loader

    straight = list(islice(endless(loader()), 10))
    killed, resumed = loader(), loader()
    list(islice(endless(killed), stop))
    state = killed.state_dict()
    assert all(type(value) is int for value in state.values())
    resumed.load_state_dict(state)
    assert len(resumed) == 4
    assert same(list(islice(endless(resumed), 10 - stop)), straight[stop:])


def test_rolls_over_before_the_last_batch_is_handed_out(items):
    loader = TrainingLoader(items, Rounds(23, 5))
    places = [tuple(loader.state_dict().values()) for _ in loader]
    assert places == [(0, 1), (0, 2), (0, 3), (1, 0)]


def test_a_state_beyond_the_epoch_goes_on_with_the_next():
    loader = TrainingLoader(table(), Rounds(23, 10))
    loader.load_state_dict({"epoch": 2, "position": 4})
    assert loader.state_dict() == {"epoch": 3, "position": 0}


def test_the_global_random_stream_is_untouched(items):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    list(TrainingLoader(items, Rounds(23, 5)))
    list(EvaluationLoader(items, Pass(23, 5)))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_table_and_a_stream_answer_the_same(folder):
    files = ImageFolder(str(folder(10, ("a", "b"))), size=8, validation=2).items("train")
    assert isinstance(files, Files)
    loaders = [TrainingLoader(some, Rounds(18, 4)) for some in (files, files.held(CPU))]
    assert same(*(list(islice(loader, 4)) for loader in loaders))
