"""Philox4x32-10 and what is drawn from it, as docs/formats.md says; arrays of counters at once."""

import numpy as np

SAMPLING, DATA_ORDER, NEW_WEIGHTS, DROPOUT, TEXT = range(5)
SPLIT_EPOCH = 2**32 - 1

MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
WEYL = 0x9E3779B9, 0xBB67AE85
LOW, HALF = np.uint64(0xFFFFFFFF), np.uint64(32)


def philox(seed: int, counter) -> list[np.ndarray]:
    """Four words of 32 bits for each counter [stream, step, sample, position]; each of the four may be an array."""
    a, b, c, d = np.broadcast_arrays(*(np.asarray(word, dtype=np.uint64) & LOW for word in counter))
    key = [seed % 2**32, seed // 2**32]
    for _ in range(10):
        first, second = a * MULTIPLIERS[0], c * MULTIPLIERS[1]
        a, b = (second >> HALF) ^ b ^ np.uint64(key[0]), second & LOW
        c, d = (first >> HALF) ^ d ^ np.uint64(key[1]), first & LOW
        key = [(word + step) % 2**32 for word, step in zip(key, WEYL)]
    return [a, b, c, d]


def uniform(seed: int, counter) -> np.ndarray:
    """Doubles in [0, 1) of 53 random bits."""
    a, b, _, _ = philox(seed, counter)
    return ((a >> np.uint64(5)).astype(np.float64) * 2**26 + (b >> np.uint64(6)).astype(np.float64)) / 2**53


def permutation(seed: int, epoch: int, size: int) -> list[int]:
    order = list(range(size))
    draws = uniform(seed, [DATA_ORDER, epoch, np.arange(size), 0])
    for i in range(size - 1, 0, -1):
        j = int(draws[i] * (i + 1))
        order[i], order[j] = order[j], order[i]
    return order


def held_out(seed: int, size: int, share: float) -> set[int]:
    """Places that are validated on and never trained on. Halves round up."""
    return set(permutation(seed, SPLIT_EPOCH, size)[: int(np.floor(size * share + 0.5))])


def normal(seed: int, tensor: int, size: int, std: float) -> np.ndarray:
    """(size) float32, computed in double."""
    a, b, _, _ = philox(seed, [NEW_WEIGHTS, tensor, np.arange((size + 1) // 2), 0])
    radius = std * np.sqrt(-2 * np.log((a.astype(np.float64) + 1) / 2**32))
    angle = 2 * np.pi * b.astype(np.float64) / 2**32
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).reshape(-1)[:size].astype(np.float32)
