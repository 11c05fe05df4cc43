"""Pieces of a file system are joined to large ones, and lose nothing."""

import pytest

from orchestrator.engine.containers import PIECE_BYTES, _gathered


@pytest.mark.parametrize("sizes", [[], [0], [1], [16_320] * 100, [PIECE_BYTES], [300_000, 1, 0, 7]])
def test_all_comes_through_in_order_and_in_large_pieces(sizes: list[int]) -> None:
    pieces = [bytes([number % 256]) * size for number, size in enumerate(sizes)]
    gathered = list(_gathered(pieces))
    assert b"".join(gathered) == b"".join(pieces)
    assert all(len(piece) >= PIECE_BYTES for piece in gathered[:-1])
    assert all(gathered), "an empty piece would end the body"
