import pickle
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gancomponents.data import Permutation
from gancomponents.data.permutation import Feistel

LONG = 100_003  # too long to be drawn and stored


def whole(order):
    return order[np.arange(len(order))]


@given(st.integers(1, 5000), st.integers(0, 2**63))
@settings(deadline=None, max_examples=200)
def test_the_computed_order_holds_every_number_once(length, seed):
    found = Feistel(length, [seed])(np.arange(length))
    assert sorted(found.tolist()) == list(range(length))


@pytest.mark.parametrize(
    "length", [0, 1, 2, 7, 65535, 65536, 65537, 65792, LONG, 2**17, 317**2, 317 * 316 + 1]
)
def test_every_number_once(length):
    assert np.array_equal(np.sort(whole(Permutation(length, [3, 1]))), np.arange(length))


@pytest.mark.parametrize("length", [50, LONG])
def test_an_order_is_a_function_of_its_entropy(length):
    order = whole(Permutation(length, [1, 2]))
    assert np.array_equal(whole(Permutation(length, [1, 2])), order)
    assert np.array_equal(whole(pickle.loads(pickle.dumps(Permutation(length, [1, 2])))), order)
    for other in ([2, 1], [1, 3], [1], [1, 2, 4]):
        assert (whole(Permutation(length, other)) == order).mean() < 0.2
    places = np.array([49, 3, 3, 17])
    assert np.array_equal(Permutation(length, [1, 2])[places], order[places])
    assert np.array_equal(Permutation(length, [1, 2])[places.reshape(2, 2)], order[places].reshape(2, 2))
    assert Permutation(length, [1, 2])[49] == order[49]


@pytest.mark.parametrize("epoch", range(4))
def test_a_long_order_is_shuffled(epoch):
    order = whole(Permutation(LONG, [0, epoch]))
    place = np.arange(LONG)
    # Of uniform orders: correlation has deviation 1 / sqrt(n), the number of fixed points and of neighbours that
    # stay neighbours are Poisson with means 1 and 2.
    assert abs(np.corrcoef(order, place)[0, 1]) < 5 / LONG**0.5
    assert abs(np.corrcoef(order[1:], order[:-1])[0, 1]) < 5 / LONG**0.5
    assert (order == place).sum() <= 8
    assert (np.abs(np.diff(order)) == 1).sum() <= 12
    # Each tenth of the order draws evenly from each tenth of the numbers.
    counts = np.histogram2d(place, order, bins=10)[0]
    assert np.abs(counts - LONG / 100).max() < 5 * (LONG / 100) ** 0.5
    # Also of each residue: the rectangle's columns leave no trace.
    counts = np.histogram2d(place % 317, order % 317, bins=317)[0]
    assert counts.max() <= 15  # of a mean of 1


@pytest.mark.parametrize("length", [5, LONG])
def test_the_first_number_is_any_number(length):
    firsts = [int(Permutation(length, [0, epoch])[np.arange(1)][0]) for epoch in range(3000)]
    counts = np.histogram(firsts, bins=5, range=(0, length))[0]
    assert np.abs(counts - 600).max() < 5 * (3000 * 0.2 * 0.8) ** 0.5


def test_memory_and_time_do_not_grow_with_the_length():
    tracemalloc.start()
    order = Permutation(10**15, [0, 5])
    found = order[np.array([0, 1, 10**15 - 1])]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50_000
    assert len(set(found.tolist())) == 3
    assert ((found >= 0) & (found < 10**15)).all()


def test_bad_arguments():
    for length, entropy in ((-1, [0]), (5, [-1])):
        with pytest.raises(ValueError, match="length and entropy must be >= 0"):
            Permutation(length, entropy)
    for length in (4, LONG):
        for place in (-1, length):
            with pytest.raises(IndexError, match=rf"places must be in 0..{length - 1}"):
                Permutation(length, [0])[np.array([0, place])]
