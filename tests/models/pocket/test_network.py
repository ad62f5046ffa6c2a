"""The same bits in every batch: logits are compared as bytes, over batches made to differ in every way."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from apportion.models.pocket.network import Cache, Network

VOCABULARY, WIDTH, HEADS, HIDDEN, WINDOW, LAYERS = 103, 64, 2, 176, 256, 2


def arrays(seed: int, scale: float = 1.0) -> dict[str, NDArray[np.generic]]:
    """Random weights over the full range of int8, harsher than trained ones."""
    rng = np.random.default_rng(seed)
    sizes = {"queries_keys_values": (3 * WIDTH, WIDTH), "out": (WIDTH, WIDTH), "gate_up": (2 * HIDDEN, WIDTH)}
    made: dict[str, NDArray[np.generic]] = {"heads": np.array(HEADS), "window": np.array(WINDOW)}

    def matrix(name: str, size: tuple[int, int]) -> None:
        made[name] = rng.integers(-127, 128, size).astype(np.int8)
        made[f"{name}.step"] = (scale * rng.uniform(0.5, 2, size[0]) / 127 / size[1] ** 0.5).astype(np.float32)

    matrix("embedding", (VOCABULARY, WIDTH))
    for index in range(LAYERS):
        for name, size in {**sizes, "down": (WIDTH, HIDDEN)}.items():
            matrix(f"{index}.{name}", size)
        made[f"{index}.limits"] = np.array([3.0, 3.0, 2.0], np.float32)
    return made


@pytest.fixture(scope="module", params=[1.0, 8.0])
def network(request: pytest.FixtureRequest) -> Network:
    return Network(arrays(11, request.param))


def alone(network: Network, tokens: list[int]) -> bytes:
    logits: bytes = network.advance(Cache(network.shape, 1), 0, np.array([tokens]), np.array([0]))[0].tobytes()
    return logits


def by_definition(weights: dict[str, NDArray[np.generic]], tokens: list[int]) -> NDArray[np.float32]:
    """The logits behind the last token, one row and one head at a time, with sums in int64."""
    single = np.float32

    def rounded(x: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        scale = single(127) / np.maximum(np.abs(x).max(axis=1, keepdims=True), single(1e-30))
        return np.rint(x * scale).astype(np.int64), scale

    def normalised(x: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        whole, _ = rounded(x)
        return whole, np.sqrt(single(WIDTH) / (whole * whole).sum(axis=1, keepdims=True).astype(single))

    def times(whole: NDArray[np.int64], name: str) -> NDArray[np.float32]:
        return (whole @ weights[name].T.astype(np.int64)).astype(single)

    def step(name: str) -> NDArray[np.float32]:
        return weights[f"{name}.step"].astype(single)

    half = WIDTH // HEADS // 2
    angles = np.arange(len(tokens))[:, None] * 10000.0 ** (-np.arange(half) / half)
    cosine, sine = np.cos(angles).astype(single), np.sin(angles).astype(single)
    x = (weights["embedding"].astype(single) * step("embedding")[:, None])[tokens]
    for layer in range(LAYERS):
        limits = weights[f"{layer}.limits"].astype(np.float64)
        whole, scale = normalised(x)
        steps = (step(f"{layer}.queries_keys_values") * np.repeat(127 / limits, WIDTH)).astype(single)
        projected = times(whole, f"{layer}.queries_keys_values") * scale * steps
        for place in range(0, 2 * WIDTH, 2 * half):
            first, second = projected[:, place : place + half], projected[:, place + half : place + 2 * half]
            turned = first * cosine - second * sine, second * cosine + first * sine
            projected[:, place : place + 2 * half] = np.hstack(turned)
        projected = np.clip(np.rint(projected), -127, 127).astype(np.int64)
        queries, keys, values = projected.reshape(len(tokens), 3, HEADS, 2 * half).transpose(1, 2, 0, 3)
        score_step = single(limits[0] * limits[1] / 127**2 / np.sqrt(2 * half) * 64)
        mixed = np.empty_like(x)
        for place, head in np.ndindex(len(tokens), HEADS):
            scores = keys[head, : place + 1] @ queries[head, place]
            below = np.minimum((scores.max() - scores).astype(single) * score_step, single(448)).astype(np.int64)
            shares = np.rint(255 * np.exp(-below / 64)).astype(np.int64)
            sums = (shares @ values[head, : place + 1]).astype(single)
            mixed[place, head * 2 * half : (head + 1) * 2 * half] = sums / single(shares.sum())
        whole, scale = rounded(mixed)
        x = x + times(whole, f"{layer}.out") * (step(f"{layer}.out") * (limits[2] / 127)).astype(single) / scale
        whole, scale = normalised(x)
        steps = (step(f"{layer}.gate_up") * np.repeat([64.0, 1.0], HIDDEN)).astype(single)
        gate, up = np.split(times(whole, f"{layer}.gate_up") * scale * steps, 2, axis=1)
        entries = np.clip(gate + single(1024.5), 0, 2048).astype(np.int64) / 64 - 16
        whole, scale = rounded((entries / (1 + np.exp(-entries))).astype(single) * up)
        x = x + times(whole, f"{layer}.down") * step(f"{layer}.down") / scale
    whole, scale = normalised(x[-1:])
    logits: NDArray[np.float32] = (times(whole, "embedding") * scale * step("embedding"))[0]
    return logits


@pytest.mark.parametrize("scale", [1.0, 8.0])
@pytest.mark.parametrize("length", [1, 2, 33, 70])
def test_logits_are_bit_for_bit_what_the_definition_says(scale: float, length: int) -> None:
    weights = arrays(length, scale)
    (text,) = sequences(length, [length])

    assert alone(Network(weights), text) == by_definition(weights, text).tobytes()


def sequences(seed: int, lengths: list[int]) -> list[list[int]]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, VOCABULARY, length).tolist() for length in lengths]


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 8, 13, 16, 31, 64])
def test_batch_size_row_and_padding_change_no_bit(network: Network, rows: int) -> None:
    rng = np.random.default_rng(rows)
    texts = sequences(rows, rng.integers(1, 60, rows).tolist())
    longest = max(len(text) for text in texts) + int(rng.integers(0, 9))
    # Padding is filled with tokens at random, so that reading any of it would show.
    padded = rng.integers(0, VOCABULARY, (rows, longest))
    for row, text in enumerate(texts):
        padded[row, : len(text)] = text

    together = network.advance(
        Cache(network.shape, rows + 3), 2, padded, np.zeros(rows, np.intp), np.array([len(text) for text in texts])
    )

    for row in range(0, rows, max(1, rows // 8)):
        assert together[row].tobytes() == alone(network, texts[row])


@pytest.mark.parametrize("pieces", [[40], [1] * 40, [7, 1, 32], [39, 1], [8, 8, 8, 8, 8]])
def test_reading_piece_by_piece_changes_no_bit(network: Network, pieces: list[int]) -> None:
    (text,) = sequences(3, [40])
    cache = Cache(network.shape, 1)
    start = 0
    for size in pieces:
        logits = network.advance(cache, 0, np.array([text[start : start + size]]), np.array([start]))
        start += size

    assert logits[0].tobytes() == alone(network, text)


def test_neighbours_of_other_lengths_and_stale_rows_change_no_bit(network: Network) -> None:
    texts = sequences(4, [3, 250, 17, 1, 90])
    cache = Cache(network.shape, 8)
    # What an earlier job left behind must not show.
    cache.kept[:] = np.random.default_rng(0).integers(-127, 128, cache.kept.shape)
    for row, text in enumerate(texts):
        network.advance(cache, row, np.array([text]), np.array([0]))

    rows = len(texts)
    starts = np.array([len(text) for text in texts])
    together = network.advance(cache, 0, np.full((rows, 1), 9), starts)

    for row, text in enumerate(texts):
        assert together[row].tobytes() == alone(network, [*text, 9])


def test_a_copied_and_a_restored_row_go_on_with_the_same_bits(network: Network) -> None:
    (text,) = sequences(5, [30])
    cache = Cache(network.shape, 4)
    network.advance(cache, 0, np.array([text[:24]]), np.array([0]))
    cache.copy(0, 2, 24)
    cache.put(3, cache.take(0, 24), 16)

    copied = network.advance(cache, 2, np.array([text[24:]]), np.array([24]))
    restored = network.advance(cache, 3, np.array([text[16:]]), np.array([16]))

    assert copied[0].tobytes() == restored[0].tobytes() == alone(network, text)


def test_every_product_stays_a_whole_number(network: Network) -> None:
    """Keys and values are whole numbers of at most 127, which is what keeps sums below 2^24."""
    (text,) = sequences(6, [WINDOW])
    cache = Cache(network.shape, 1)
    network.advance(cache, 0, np.array([text]), np.array([0]))

    assert np.array_equal(cache.kept, np.rint(cache.kept))
    assert np.abs(cache.kept).max() <= 127
    assert 255 * 127 * WINDOW < 2**24
    assert 127 * 127 * max(WIDTH, HIDDEN) < 2**24
