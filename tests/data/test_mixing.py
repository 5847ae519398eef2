import math
import pickle
from collections import Counter
from itertools import permutations

import pytest

from gancomponents.data import (
    CycleToLongest,
    DomainSampler,
    DomainSize,
    Mixing,
    Schedule,
    ShuffledDomains,
    StopAtShortest,
    TemperatureMixing,
    Turn,
    WeightedMixing,
)

SIZES = {"s": DomainSize(20, 10), "r": DomainSize(13, 6), "rf": DomainSize(4, 2)}
EVERY = [
    StopAtShortest(),
    StopAtShortest(restart=True),
    CycleToLongest(),
    WeightedMixing({"s": 1, "r": 2.5, "rf": 1}),
    TemperatureMixing(),
    TemperatureMixing(math.inf),
    ShuffledDomains(),
    ShuffledDomains(WeightedMixing({"s": 1, "r": 1, "rf": 1})),
]


def names(schedule, steps):
    return [tuple(turn.domain for turn in schedule.turns(step)) for step in steps]


@pytest.mark.parametrize("mixing", EVERY, ids=str)
def test_a_schedule_is_a_function_of_step_and_seed(mixing):
    first: Schedule = mixing.schedule(SIZES, 3)
    turns = [first.turns(step) for step in range(9000)]
    again = pickle.loads(pickle.dumps(mixing)).schedule(SIZES, 3)
    for step in (8999, 5, 4095, 4096, 4097, 0, 8192, 8191):  # back and forth over the blocks of draws
        assert again.turns(step) == turns[step]
    assert pickle.loads(pickle.dumps(again)).turns(8999) == turns[8999]
    for turn in (turn for step in turns for turn in step):
        assert 0 <= turn.place < SIZES[turn.domain].batches
    random = not isinstance(mixing, (StopAtShortest, CycleToLongest))
    assert ([mixing.schedule(SIZES, 4).turns(step) for step in range(50)] != turns[:50]) == random


@pytest.mark.parametrize("mixing", [m for m in EVERY if m != StopAtShortest(restart=True)], ids=str)
def test_every_domain_goes_through_its_batches_in_order(mixing):
    schedule = mixing.schedule(SIZES, 1)
    visits = Counter()
    for step in range(9000):
        for domain, epoch, place in schedule.turns(step):
            assert epoch * SIZES[domain].batches + place == visits[domain]
            visits[domain] += 1
    assert set(visits) == set(SIZES)


def test_stop_at_the_shortest():
    schedule = StopAtShortest().schedule(SIZES, 0)
    assert schedule.steps_per_epoch == 2
    assert names(schedule, [0, 7]) == [("s", "r", "rf")] * 2
    assert schedule.turns(7) == [("s", 0, 7), ("r", 1, 1), ("rf", 3, 1)]
    restarting = StopAtShortest(restart=True).schedule(SIZES, 0)
    assert restarting.steps_per_epoch == 2
    assert restarting.turns(7) == [("s", 3, 1), ("r", 3, 1), ("rf", 3, 1)]


def test_cycle_to_the_longest():
    schedule = CycleToLongest().schedule(SIZES, 0)
    assert schedule.steps_per_epoch == 10
    together = StopAtShortest().schedule(SIZES, 0)
    assert [schedule.turns(step) for step in range(40)] == [together.turns(step) for step in range(40)]
    seen = {turn for step in range(10) for turn in schedule.turns(step)}
    assert {turn for turn in seen if turn.domain == "s"} == {Turn("s", 0, place) for place in range(10)}
    assert sum(turn.domain == "rf" for turn in seen) == 10  # five times its two batches


def visits_before(schedule, step, domain):
    """How often a domain was drawn before a step, told by its next turn."""
    while (turn := schedule.turns(step)[0]).domain != domain:
        step += 1
    return turn.epoch * SIZES[domain].batches + turn.place


@pytest.mark.parametrize(
    ("mixing", "weights"),
    [
        (WeightedMixing({"s": 1, "r": 3, "rf": 4}), (1, 3, 4)),
        (WeightedMixing({"rf": 1e-3, "r": 1e-3, "s": 1}), (1, 1e-3, 1e-3)),  # by name, whatever the order
        (TemperatureMixing(), (20, 13, 4)),
        (TemperatureMixing(2.0), (20**0.5, 13**0.5, 2)),
        (TemperatureMixing(0.5), (400, 169, 16)),
        (TemperatureMixing(math.inf), (1, 1, 1)),
    ],
    ids=str,
)
@pytest.mark.parametrize("seed", [0, 1])
def test_domains_are_drawn_in_proportion(mixing, weights, seed):
    steps = 3_000_000
    schedule = mixing.schedule(SIZES, seed)
    assert schedule.steps_per_epoch == 18
    total = 0
    for domain, weight in zip(SIZES, weights, strict=True):
        p = weight / sum(weights)
        count = visits_before(schedule, steps, domain)
        assert abs(count - steps * p) < 5 * (steps * p * (1 - p)) ** 0.5
        total += count
    assert total == steps


def test_draws_are_independent():
    schedule = WeightedMixing({"s": 1, "r": 2, "rf": 1}).schedule(SIZES, 0)
    drawn = [domain for (domain,) in names(schedule, range(20_000))]
    probability = {"s": 0.25, "r": 0.5, "rf": 0.25}
    for lag in (1, 2, 4096):
        pairs = Counter(zip(drawn, drawn[lag:], strict=False))
        count = len(drawn) - lag
        for a in SIZES:
            for b in SIZES:
                p = probability[a] * probability[b]
                assert abs(pairs[a, b] - count * p) < 5 * (count * p) ** 0.5


def test_one_domain_is_always_drawn():
    schedule = TemperatureMixing().schedule({"r": DomainSize(5, 5)}, 0)
    assert schedule.turns(12) == [("r", 2, 2)]


def test_shuffled_domains_are_the_same_turns_in_every_order():
    plain, shuffled = (
        mixing.schedule(SIZES, 0) for mixing in (CycleToLongest(), ShuffledDomains(CycleToLongest()))
    )
    assert shuffled.steps_per_epoch == plain.steps_per_epoch
    orders = Counter()
    for step in range(3000):
        turns = shuffled.turns(step)
        assert sorted(turns) == sorted(plain.turns(step))
        orders[tuple(turn.domain for turn in turns)] += 1
    assert set(orders) == set(permutations(SIZES))
    assert all(abs(count - 500) < 5 * (3000 / 6 * 5 / 6) ** 0.5 for count in orders.values())


class Alternating:
    """Somebody else's mixing."""

    def schedule(self, sizes, seed):
        return AlternatingSchedule(sizes)


class AlternatingSchedule:
    def __init__(self, sizes):
        self.sizes = sizes

    steps_per_epoch = 6

    def turns(self, step):
        visit, which = divmod(step, len(self.sizes))
        name = list(self.sizes)[which]
        return [Turn(name, *divmod(visit, self.sizes[name].batches))]


def test_anything_with_the_method_is_a_mixing():
    mixing: Mixing = Alternating()
    sampler = DomainSampler({"s": 4, "r": 6}, 2, mixing=mixing)
    assert sampler.steps_per_epoch == 6
    assert [list(sampler.draw(step)) for step in range(3)] == [["s"], ["r"], ["s"]]
    seen = [i for step in (0, 2) for i in sampler.draw(step)["s"].indices]
    assert sorted(seen) == [0, 1, 2, 3]


def test_equal_mixings_have_one_repr():
    assert repr(TemperatureMixing(2)) == repr(TemperatureMixing(2.0))
    weights = {"s": 1, "r": 2.5}
    mixing = WeightedMixing(weights)
    assert repr(mixing) == repr(WeightedMixing({"r": 2.5, "s": 1.0}))
    weights["s"] = 7
    assert mixing.weights["s"] == 1


@pytest.mark.parametrize(
    ("mixing", "message"),
    [
        ("temperature", r"got 'temperature': build one, for example TemperatureMixing\(2.0\)"),
        (3, "got 3: build one"),
        (TemperatureMixing, r"got the class TemperatureMixing: build one, TemperatureMixing\(...\)"),
        (Alternating, "got the class Alternating"),
    ],
)
def test_what_is_no_mixing_is_one_clear_error(mixing, message):
    with pytest.raises(ValueError, match=f"mixing must be a mixing, {message}"):
        DomainSampler({"s": 4}, 2, mixing=mixing)
    with pytest.raises(ValueError, match=f"mixing must be a mixing, {message}"):
        ShuffledDomains(mixing)


def test_bad_arguments():
    for weights in ({}, {"s": 0}, {"s": -1}, {"s": math.inf}, {"s": math.nan}):
        with pytest.raises(ValueError, match="weights must be finite and > 0"):
            WeightedMixing(weights)
    with pytest.raises(
        ValueError, match=r"weights must be given for each of \['s', 'r', 'rf'\], got \['s'\]"
    ):
        WeightedMixing({"s": 1}).schedule(SIZES, 0)
    for temperature in (0, -1, math.nan):
        with pytest.raises(ValueError, match="temperature must be > 0"):
            TemperatureMixing(temperature)
