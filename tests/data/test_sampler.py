import pickle
import tracemalloc
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gancomponents.data import (
    CycleToLongest,
    DomainSampler,
    Draw,
    ShuffledDomains,
    StopAtShortest,
    TemperatureMixing,
    WeightedMixing,
)

LENGTHS = {"s": 24, "r": 12, "rf": 8}
MIXINGS = [
    None,
    StopAtShortest(restart=True),
    CycleToLongest(),
    WeightedMixing({"s": 1, "r": 2, "rf": 3}),
    TemperatureMixing(3.0),
    ShuffledDomains(CycleToLongest()),
]


@pytest.mark.parametrize("mixing", [m for m in MIXINGS if m != StopAtShortest(restart=True)], ids=str)
def test_every_sample_once_in_each_of_a_domains_epochs(mixing):
    sampler = DomainSampler(LENGTHS, {"s": 4, "r": 2, "rf": 4}, mixing=mixing, seed=5)
    seen = {name: Counter() for name in LENGTHS}
    for step in range(300):
        for name, draw in sampler.draw(step).items():
            seen[name].update((draw.epoch, index) for index in draw.indices)
    for name, counts in seen.items():
        last = max(epoch for epoch, _ in counts)
        assert last >= 5
        assert set(counts.values()) == {1}
        whole = {(epoch, index) for epoch in range(last) for index in range(LENGTHS[name])}
        assert whole <= set(counts)


@pytest.mark.parametrize("mixing", MIXINGS, ids=str)
def test_a_draw_depends_on_step_and_seed_alone(mixing):
    sampler, other = (DomainSampler(LENGTHS, 2, mixing=mixing, seed=1) for _ in range(2))
    draws = [sampler.draw(step) for step in range(40)]
    assert all(isinstance(draw, Draw) for draw in draws[0].values())
    for step in (39, 0, 17, 3, 39, 38):
        assert list(other.draw(step).items()) == list(draws[step].items())
    assert pickle.loads(pickle.dumps(other)).draw(21) == draws[21]
    assert [DomainSampler(LENGTHS, 2, mixing=mixing, seed=2).draw(step) for step in range(40)] != draws


@given(
    lengths=st.lists(st.integers(24, 200), min_size=1, max_size=4),
    size=st.integers(1, 4),
    world=st.integers(1, 6),
    mixing=st.sampled_from([None, CycleToLongest(), TemperatureMixing(2.0), ShuffledDomains()]),
    start=st.integers(0, 10**6),
)
@settings(deadline=None, max_examples=60)
def test_processes_share_the_batches_of_one(lengths, size, world, mixing, start):
    lengths = {f"domain {number}": length for number, length in enumerate(lengths)}
    ranks = [
        DomainSampler(lengths, size, mixing=mixing, rank=rank, world_size=world) for rank in range(world)
    ]
    one = DomainSampler(lengths, size * world, mixing=mixing)
    for step in range(start, start + 5):
        draws, expected = [sampler.draw(step) for sampler in ranks], one.draw(step)
        assert all(list(draw) == list(expected) for draw in draws)
        for name, draw in expected.items():
            pieces = [piece[name] for piece in draws]
            assert [index for piece in pieces for index in piece.indices] == draw.indices
            assert {piece.epoch for piece in pieces} == {draw.epoch}
            assert all(len(piece.indices) == size for piece in pieces)


@pytest.mark.parametrize("length", [12, 13, 17])
def test_processes_lose_no_more_than_the_remainder(length):
    ranks = [DomainSampler({"r": length}, 2, rank=rank, world_size=3) for rank in range(3)]
    steps = ranks[0].steps_per_epoch
    assert steps == length // 6
    seen = [index for step in range(steps) for sampler in ranks for index in sampler.draw(step)["r"].indices]
    assert len(set(seen)) == len(seen) == length - length % 6
    later = [i for step in range(30 * steps) for sampler in ranks for i in sampler.draw(step)["r"].indices]
    assert set(later) == set(range(length))  # another remainder in every epoch


def test_ten_million_rows_cost_nothing():
    tracemalloc.start()
    sampler = DomainSampler({"s": 10_000_000, "r": 1000}, {"s": 32, "r": 4}, mixing=TemperatureMixing(5.0))
    for step in (0, 123_456, 300_000):
        sampler.draw(step)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 500_000


def test_bad_arguments():
    with pytest.raises(ValueError, match="lengths must hold"):
        DomainSampler({}, 2)
    for batch_size in (0, {"s": 2}, {**dict.fromkeys(LENGTHS, 1), "kitti": 1}):
        with pytest.raises(ValueError, match="batch_size must be >= 1"):
            DomainSampler(LENGTHS, batch_size)
    with pytest.raises(ValueError, match="seed must be >= 0"):
        DomainSampler(LENGTHS, 2, seed=-1)
    for rank, world in ((-1, 1), (1, 1), (0, 0)):
        with pytest.raises(ValueError, match=r"rank must be in 0\.\.world_size - 1"):
            DomainSampler(LENGTHS, 2, rank=rank, world_size=world)
    with pytest.raises(ValueError, match="lengths must be at least one batch, got 8 of 9 for 'rf'"):
        DomainSampler(LENGTHS, 3, world_size=3)
    with pytest.raises(ValueError, match="step must be >= 0"):
        DomainSampler(LENGTHS, 2).draw(-1)
