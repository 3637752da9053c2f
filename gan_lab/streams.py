"""The random streams that training draws from, as plain data: what makes a resumed run the same run."""

import random
from typing import Any

import numpy as np
import torch


def state() -> dict[str, Any]:
    """Where this process's streams stand: torch's (CPU and current GPU), NumPy's and Python's."""
    drawn: Any = np.random.get_state()
    _, keys, position, has_gauss, gauss = drawn
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() and torch.cuda.is_initialized() else None,
        "numpy": [torch.from_numpy(keys.astype(np.int64)), int(position), int(has_gauss), float(gauss)],
        "python": list(random.getstate()),
    }


def restore(saved: dict[str, Any]) -> None:
    """Set this process's streams to a state that `state` returned."""
    torch.set_rng_state(saved["torch"].cpu())
    if saved["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(saved["cuda"].cpu())
    keys, position, has_gauss, gauss = saved["numpy"]
    np.random.set_state(("MT19937", keys.cpu().numpy().astype(np.uint32), position, has_gauss, gauss))
    version, internal, gauss_next = saved["python"]
    random.setstate((version, tuple(internal), gauss_next))


def of_all_processes() -> list[dict[str, Any]]:
    """The states of every process's streams, by rank."""
    if not torch.distributed.is_available() or not torch.distributed.is_initialized():
        return [state()]
    states: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(states, state())
    return states
