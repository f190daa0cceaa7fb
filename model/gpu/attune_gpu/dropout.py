"""Dropout whose mask follows from two small tables of Philox draws (docs/formats.md): the same elements on any engine, at any time."""

import numpy as np
import torch
from torch import Tensor

from attune_gpu.random_numbers import DROPOUT, philox


def dropout_of(layer_count: int, hidden: int, rate: float, *, seed: int, step: int, batch: int, shape: tuple[int, int], only=(), device: torch.device):
    """What `Transformer` calls as `drop`; None at rate 0. `shape` is the batch's (B, T); `only`: an index of what is computed of it here."""
    if rate == 0:
        return None
    sites = 1 + 2 * layer_count
    rows = _table(seed, step, 2 * batch, sites * shape[0] * shape[1]).reshape(sites, *shape, 1)[(slice(None), *only)]
    columns = _table(seed, step, 2 * batch + 1, sites * hidden).reshape(sites, 1, 1, hidden)
    rows, columns = torch.from_numpy(rows).to(device), torch.from_numpy(columns).to(device)
    limit = int(rate * 2**31 + 0.5)

    def drop(x: Tensor, site: int) -> Tensor:
        is_dropped = (rows[site] ^ columns[site]) < limit
        return torch.where(is_dropped, 0, x / (1 - rate))

    return drop


def _table(seed: int, step: int, sample: int, size: int) -> np.ndarray:
    """int32 in [0, 2^31)"""
    words = philox(seed, [DROPOUT, step, sample, np.arange(-(-size // 4))])
    return (np.stack(words, axis=1).reshape(-1)[:size] >> np.uint64(1)).astype(np.int32)
