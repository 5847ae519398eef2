import contextlib
import json
import multiprocessing
import os
import re
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from gancomponents.data import (
    CycleToLongest,
    DomainDataset,
    DomainLoader,
    JointTransform,
    ShuffledDomains,
    StopAtShortest,
    TemperatureMixing,
    WeightedMixing,
    decode_labels,
    write_image,
)
from gancomponents.errors import InputError

SIZE = 16
MIXINGS = [
    None,
    StopAtShortest(restart=True),
    CycleToLongest(),
    WeightedMixing({"s": 1, "r": 2, "rf": 1}),
    TemperatureMixing(2.0),
    ShuffledDomains(CycleToLongest()),
]


def dataset(folder, domain, count, tasks="xm"):
    """Frame i of a domain is of grey value i, so that batches tell what they are made of."""
    rows = []
    for number in range(count):
        row = {task: f"{domain}_{number}_{task}.png" for task in tasks}
        write_image(folder / row["x"], np.full((SIZE, SIZE, 3), number, np.uint8))
        if "m" in tasks:
            write_image(folder / row["m"], np.zeros((SIZE, SIZE), np.uint8))
        if "s" in tasks:
            write_image(folder / row["s"], decode_labels(np.zeros((SIZE, SIZE), int), "s"))
        rows.append(row)
    source = folder / f"train_{domain}.json"
    source.write_text(json.dumps(rows))
    return DomainDataset(source, domain, tasks=list(tasks), transform=JointTransform(SIZE))


@pytest.fixture
def datasets(tmp_path):
    return {
        "s": dataset(tmp_path, "s", 11, "xs"),
        "r": dataset(tmp_path, "r", 7),
        "rf": dataset(tmp_path, "rf", 4),
    }


def numbers(batch, domain):
    return ((batch[domain]["x"][:, 0, 0, 0] + 1) * 127.5).round().int().tolist()


def equal(first, second):
    assert list(first) == list(second)
    for domain in first:
        assert list(first[domain]) == list(second[domain])
        for task, value in first[domain].items():
            if task == "paths":
                assert value == second[domain][task]
            else:
                assert torch.equal(value, second[domain][task])


def threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("loader")]


def test_batches(datasets):
    loader = DomainLoader(datasets, 2)
    batch = loader.batch(0)
    assert list(batch) == ["s", "r", "rf"]
    assert list(batch["s"]) == ["x", "s", "paths"]
    assert list(batch["rf"]) == ["x", "m", "paths"]
    assert batch["s"]["x"].shape == (2, 3, SIZE, SIZE)
    assert batch["s"]["s"].shape == (2, 4, 4)
    assert batch["r"]["m"].shape == (2, 1, SIZE, SIZE)
    for domain in batch:
        assert [int(path.split("_")[-2]) for path in batch[domain]["paths"]] == numbers(batch, domain)
        assert all(batch[domain][task].is_contiguous() for task in batch[domain] if task != "paths")
    assert list(DomainLoader(dict(reversed(datasets.items())), 2).batch(0)) == ["rf", "r", "s"]


def test_each_domain_has_its_own_epochs(datasets):
    loader = DomainLoader(datasets, {"s": 2, "r": 3, "rf": 2})
    assert loader.steps_per_epoch == 2  # 5, 2 and 2 steps
    for domain, steps, size, count in (("s", 5, 2, 11), ("r", 2, 3, 7), ("rf", 2, 2, 4)):
        orders = []
        for epoch in range(3):
            seen = [n for step in range(steps) for n in numbers(loader.batch(epoch * steps + step), domain)]
            assert len(seen) == len(set(seen)) == steps * size  # nothing twice in an epoch
            assert set(seen) <= set(range(count))
            orders.append(seen)
        assert orders[0] != orders[1]
        assert orders[1] != orders[2]
    # The sample left out of an incomplete batch changes from epoch to epoch.
    seen = {n for step in range(40) for n in numbers(loader.batch(step), "r")}
    assert seen == set(range(7))


def test_batch_is_a_function_of_the_step(datasets):
    loader, other = DomainLoader(datasets, 2), DomainLoader(datasets, 2)
    batches = [loader.batch(step) for step in range(12)]
    for step in (11, 0, 7, 3, 11):
        equal(other.batch(step), batches[step])
    torch.manual_seed(3)
    state = torch.get_rng_state()
    for loaded, expected in zip(loader.iterate(5, 12), batches[5:], strict=True):
        equal(loaded, expected)
    assert torch.equal(torch.get_rng_state(), state)
    reseeded = DomainLoader(datasets, 2, seed=1)
    assert any(numbers(reseeded.batch(step), "s") != numbers(batches[step], "s") for step in range(3))


def test_an_order_does_not_depend_on_the_other_domains(datasets):
    alone = DomainLoader({"r": datasets["r"]}, 2)
    together = DomainLoader(datasets, 2)
    for step in range(8):
        assert numbers(alone.batch(step), "r") == numbers(together.batch(step), "r")


@pytest.mark.parametrize("mixing", MIXINGS, ids=str)
def test_batches_are_what_the_sampler_draws(datasets, mixing):
    loader = DomainLoader(datasets, 2, mixing=mixing)
    for step in (0, 3, 40):
        draws, batch = loader.sampler.draw(step), loader.batch(step)
        assert {name: numbers(batch, name) for name in batch} == {n: d.indices for n, d in draws.items()}
        assert list(batch) == list(draws)
        for name, (epoch, indices) in draws.items():
            assert torch.equal(batch[name]["x"][1], datasets[name].sample(indices[1], epoch)["x"])


@pytest.mark.parametrize("options", [{"prefetch": 0}, {}, {"workers": 2}])
@pytest.mark.parametrize("mixing", MIXINGS, ids=str)
def test_a_loop_resumes_exactly_in_the_middle_of_an_epoch(datasets, mixing, options):
    def loader():
        return DomainLoader(datasets, 2, mixing=mixing, seed=7, **options)

    first = loader()
    expected = [first.batch(step) for step in range(3 * len(first))]
    seen = []
    for _ in range(2):  # a whole epoch, and two batches of the next
        for batch in first:
            seen.append(batch)
            if len(seen) == len(first) + 2:
                state = json.loads(json.dumps(first.state_dict()))
                break
    for batch, other in zip(seen, expected, strict=False):
        equal(batch, other)
    resumed = loader()
    resumed.load_state_dict(state)
    stop = 3 * len(first)
    assert resumed.epoch == (len(first) + 2) // len(first)
    rest = []
    while resumed.step < stop:
        rest.extend(resumed)
    assert resumed.epoch == 3
    assert len(rest) == stop - len(first) - 2
    for batch, other in zip(rest, expected[len(seen) :], strict=True):
        equal(batch, other)


def test_a_loop_is_one_epoch(datasets):
    loader = DomainLoader(datasets, 2, mixing=CycleToLongest())
    assert len(loader) == loader.steps_per_epoch == 5
    assert [len(list(loader)) for _ in range(3)] == [5, 5, 5]
    assert (loader.epoch, loader.step) == (3, 15)
    for _ in loader:
        break
    assert loader.step == 16  # the batch in hand counts as used
    assert len(list(loader)) == 4
    list(loader.iterate(0, 4))  # counting oneself leaves the loader's count alone
    assert loader.step == 20


def test_processes_share_the_batches_of_one_and_its_state(datasets):
    ranks = [DomainLoader(datasets, {"s": 2, "r": 1, "rf": 1}, rank=rank, world_size=2) for rank in (0, 1)]
    one = DomainLoader(datasets, {"s": 4, "r": 2, "rf": 2})
    assert ranks[0].steps_per_epoch == one.steps_per_epoch
    for batches in zip(*ranks, one, strict=True):
        *halves, whole = batches
        for domain, fields in whole.items():
            assert fields["paths"] == [path for half in halves for path in half[domain]["paths"]]
            for task in fields.keys() - {"paths"}:
                assert torch.equal(torch.cat([half[domain][task] for half in halves]), fields[task])
    assert ranks[0].state_dict() == ranks[1].state_dict() == one.state_dict()
    resumed = DomainLoader(datasets, {"s": 4, "r": 2, "rf": 2})
    resumed.load_state_dict(ranks[1].state_dict())
    equal(next(iter(resumed)), one.batch(one.steps_per_epoch))


def test_a_state_of_another_loader_is_refused(datasets, tmp_path):
    loader = DomainLoader(datasets, 2, mixing=CycleToLongest())
    list(loader)
    state = loader.state_dict()
    longer = {**datasets, "r": dataset(tmp_path, "r", 9)}
    for other, message in (
        (DomainLoader(datasets, 2, mixing=CycleToLongest(), seed=1), "got seed 0 where this one has 1"),
        (DomainLoader(datasets, 1, mixing=CycleToLongest()), r"got batch {.*2} where this one has {.*1}"),
        (
            DomainLoader(longer, 2, mixing=CycleToLongest()),
            r"got samples {'r': 7} where this one has {'r': 9}",
        ),
        (DomainLoader({"s": datasets["s"]}, 2, mixing=CycleToLongest()), "got domains"),
        (
            DomainLoader(dict(reversed(datasets.items())), 2, mixing=CycleToLongest()),
            r"got domains \[\['s', 's'\], .* where this one has \[\['rf', 'rf'\]",
        ),
        (
            DomainLoader(datasets, 2, mixing=WeightedMixing({"s": 1, "r": 2, "rf": 1})),
            r"got mixing CycleToLongest\(\) where this one has WeightedMixing\(",
        ),
        (DomainLoader(datasets, 2, mixing=StopAtShortest(restart=True)), "got mixing"),
    ):
        next(iter(other))
        with pytest.raises(ValueError, match=f"state must be of the same loader, {message}"):
            other.load_state_dict(state)
        assert other.step == 1  # as it was
    with pytest.raises(ValueError, match=r"state must come from state_dict\(\), got one without \['batch',"):
        loader.load_state_dict({"step": 3})


def loader_of(data, temperature=2.0, **options):
    loader = DomainLoader(data, 2, mixing=TemperatureMixing(temperature), **options)
    loader.step = 5
    return loader


def test_a_state_of_another_temperature_is_refused(datasets):
    state = json.loads(json.dumps(loader_of(datasets).state_dict()))
    for temperature in (1.0, 3.0):
        with pytest.raises(ValueError, match=r"got mixing TemperatureMixing\(temperature=2.0\) where"):
            loader_of(datasets, temperature).load_state_dict(state)
    loader_of(datasets, 2).load_state_dict(state)  # the same number in another type


def test_a_state_of_other_rows_is_refused(datasets, tmp_path):
    state = json.loads(json.dumps(loader_of(datasets).state_dict()))
    source = tmp_path / "train_r.json"
    rows = json.loads(source.read_text())

    def load(rows, **options):
        source.write_text(json.dumps(rows))
        real = DomainDataset(source, "r", tasks=["m"], transform=JointTransform(SIZE), **options)
        loader_of({**datasets, "r": real}).load_state_dict(state)

    load(rows)
    load([{**row, "note": "not read"} for row in rows])
    swapped = [{"x": row["x"], "m": other["m"]} for row, other in zip(rows, reversed(rows), strict=True)]
    for others in (rows[::-1], swapped):
        with pytest.raises(
            ValueError, match=r"got rows {'r': '\w{16}'} where .*: use the same lists in the same"
        ):
            load(others)
    load([{"x": rows[0]["x"]}, *rows], skip_incomplete=True)  # the rows in use are the same
    with pytest.raises(ValueError, match=r"got rows {'r'"):
        load([rows[0], {"x": rows[0]["x"]}, *rows[:0:-1]], skip_incomplete=True)


def test_a_state_of_data_of_another_seed_or_domain_is_refused(datasets, tmp_path):
    state = json.loads(json.dumps(loader_of(datasets).state_dict()))
    for domain, options, message in (
        ("r", {"seed": 1}, r"got dataset_seeds {'r': 0} where this one has {'r': 1}"),
        ("rf", {}, r"got domains .*\['r', 'r'\].* where this one has .*\['r', 'rf'\]"),
    ):
        other = DomainDataset(
            tmp_path / "train_r.json", domain, tasks=["m"], transform=JointTransform(SIZE), **options
        )
        with pytest.raises(ValueError, match=message):
            loader_of({**datasets, "r": other}).load_state_dict(state)


class Backwards:
    """Somebody else's mixing, without a repr."""

    def schedule(self, sizes, seed):
        return CycleToLongest().schedule(dict(reversed(sizes.items())), seed)


def test_a_mixing_without_a_repr_is_known_by_its_class(datasets):
    state = DomainLoader(datasets, 2, mixing=Backwards()).state_dict()
    DomainLoader(datasets, 2, mixing=Backwards()).load_state_dict(state)
    with pytest.raises(ValueError, match=r"got mixing <tests.data.test_loader.Backwards object> where"):
        DomainLoader(datasets, 2, mixing=CycleToLongest()).load_state_dict(state)


def test_names_of_domains_are_free(datasets):
    loader = DomainLoader({"photos": datasets["r"], "more photos": datasets["r"]}, 2)
    assert list(loader.batch(0)) == ["photos", "more photos"]


@pytest.mark.parametrize("options", [{"prefetch": 0}, {"prefetch": 1}, {"prefetch": 5}, {"workers": 2}])
def test_iterate_gives_the_same_in_every_way(datasets, options):
    loader = DomainLoader(datasets, 2, **options)
    state = torch.get_rng_state()
    loaded = list(loader.iterate(2, 9))
    assert torch.equal(torch.get_rng_state(), state)
    assert len(loaded) == 7
    for step, batch in enumerate(loaded, 2):
        equal(batch, DomainLoader(datasets, 2).batch(step))
    assert list(loader.iterate(3, 3)) == []


def test_prefetch_works_ahead_and_no_further(datasets):
    loader = DomainLoader(datasets, 2, prefetch=2)
    asked, original = [], loader.batch
    loader.batch = lambda step: asked.append(step) or original(step)
    batches = loader.iterate(0, 50)
    assert asked == []
    next(batches)
    deadline = time.monotonic() + 10
    while len(asked) < 3 and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(0.05)
    assert asked == [0, 1, 2]
    batches.close()


def test_closing_ends_the_thread(datasets):
    loader = DomainLoader(datasets, 2)
    batches = loader.iterate(0, 1000)
    next(batches)
    assert len(threads()) == 1
    batches.close()
    assert threads() == []
    list(loader.iterate(0, 3))
    assert threads() == []
    iterator = loader.iterate(0, 1000)
    next(iterator)
    del iterator  # forgotten rather than closed
    assert threads() == []
    with contextlib.suppress(KeyboardInterrupt):
        for _ in loader.iterate(0, 10):
            raise KeyboardInterrupt
    assert threads() == []


@pytest.mark.parametrize(("damage", "told"), [("emptied", "a whole"), ("vanished", "a file, got nothing")])
@pytest.mark.parametrize("options", [{"prefetch": 0}, {"prefetch": 2}, {"workers": 2}])
def test_a_bad_file_is_one_clear_error(datasets, options, damage, told):
    loader = DomainLoader(datasets, 2, **options)
    bad = loader.batch(1)["r"]["paths"][0]
    if damage == "emptied":
        Path(bad).write_bytes(b"")
    else:
        Path(bad).unlink()
    batches = loader.iterate(0, 50)
    next(batches)
    with pytest.raises(InputError, match=re.escape(f"{bad}: expected {told}")) as raised:
        next(batches)
    assert "Traceback" not in str(raised.value)
    assert threads() == []


@pytest.mark.parametrize("options", [{"prefetch": 2}, {"workers": 1}])
def test_other_errors_pass_through(datasets, options):
    loader = DomainLoader(datasets, 2, **options)
    datasets["s"].transform = broken
    with pytest.raises(ZeroDivisionError):
        next(loader.iterate(0, 5))
    assert threads() == []


def broken(fields, generator):
    raise ZeroDivisionError


def test_worker_processes_end(datasets):
    batches = DomainLoader(datasets, 2, workers=2).iterate(0, 100)
    next(batches)
    assert len(multiprocessing.active_children()) >= 2
    batches.close()
    deadline = time.monotonic() + 20
    while multiprocessing.active_children() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert multiprocessing.active_children() == []


def test_a_worker_that_is_killed_is_one_clear_error_and_takes_the_others_along(datasets):
    handler = signal.getsignal(signal.SIGCHLD)
    batches = DomainLoader(datasets, 2, workers=2).iterate(0, 1000)
    next(batches)
    assert signal.getsignal(signal.SIGCHLD) == handler  # or a step would be cut short
    os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)
    with pytest.raises(InputError, match=r"a loader worker: .* killed, .* Fix: use fewer workers"):
        for _ in batches:
            pass
    assert multiprocessing.active_children() == []


def test_a_death_that_cuts_the_hand_over_of_a_batch_short_is_the_same_error(datasets, monkeypatch):
    batches = DomainLoader(datasets, 2, workers=1).iterate(0, 1000)
    next(batches)

    def cut(self):
        for worker in self._workers:
            worker.kill()
            worker.join()
        raise ConnectionResetError(104, "Connection reset by peer")

    monkeypatch.setattr(torch.utils.data.dataloader._MultiProcessingDataLoaderIter, "_next_data", cut)
    with pytest.raises(InputError, match="a loader worker"):
        next(batches)


def test_what_goes_wrong_in_a_worker_that_lives_is_its_own_error(datasets, monkeypatch):
    def broken(self, step):
        raise RuntimeError(f"step {step} is broken")

    monkeypatch.setattr(DomainLoader, "batch", broken)
    with pytest.raises(RuntimeError, match="step 0 is broken"):
        next(DomainLoader(datasets, 2, workers=1).iterate(0, 4))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_workers_leave_signals_to_the_run(datasets, number):
    batches = DomainLoader(datasets, 2, workers=2).iterate(0, 12)
    for _ in range(2):  # one of each worker, so that both are under way
        next(batches)
    for worker in multiprocessing.active_children():
        os.kill(worker.pid, number)
    assert len(list(batches)) == 10
    assert multiprocessing.active_children() == []


@pytest.mark.slow  # torch waits for it first
def test_a_worker_that_hangs_is_ended(datasets):
    batches = DomainLoader(datasets, 2, workers=1).iterate(0, 12)
    next(batches)
    os.kill(multiprocessing.active_children()[0].pid, signal.SIGSTOP)
    batches.close()
    deadline = time.monotonic() + 5
    while multiprocessing.active_children() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert multiprocessing.active_children() == []


def test_check_goes_through_all_domains(datasets, tmp_path):
    loader = DomainLoader(datasets, 2)
    loader.check()
    write_image(tmp_path / "rf_3_m.png", np.zeros((SIZE, SIZE - 1), np.uint8))
    with pytest.raises(InputError, match=r"rf_3_m.png"):
        loader.check()
    loader.check(limit=2)


def test_bad_arguments(datasets):
    with pytest.raises(ValueError, match="datasets must hold"):
        DomainLoader({}, 2)
    for batch_size in (0, {"s": 2}, {"s": 2, "r": 2, "rf": 0}, {"s": 2, "r": 2, "rf": 2, "kitti": 2}):
        with pytest.raises(ValueError, match="batch_size must be >= 1"):
            DomainLoader(datasets, batch_size)
    for options in ({"seed": -1}, {"workers": -1}, {"prefetch": -1}, {"workers": 1, "prefetch": 0}):
        with pytest.raises(ValueError, match="must be >= 0"):
            DomainLoader(datasets, 2, **options)
    with pytest.raises(InputError, match=r"train_rf.json: expected at least one batch of 5 rows, got 4"):
        DomainLoader(datasets, 5)
    with pytest.raises(InputError, match=r"one batch of 6 rows \(3 processes with 2\), got 4"):
        DomainLoader(datasets, 2, world_size=3)
    with pytest.raises(ValueError, match="rank must be in"):
        DomainLoader(datasets, 2, rank=1)
    with pytest.raises(ValueError, match="mixing must be a mixing, got 'temperature'"):
        DomainLoader(datasets, 2, mixing="temperature")
    with pytest.raises(ValueError, match="step must be >= 0"):
        DomainLoader(datasets, 2).batch(-1)


@pytest.mark.parametrize("prefetch", [0, 2])
def test_batches_are_pinned_where_asked_before_they_are_given(datasets, monkeypatch, prefetch):
    pinned = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: pinned.append(tensor) or tensor)
    list(DomainLoader(datasets, 2, prefetch=prefetch).iterate(0, 1))
    assert not pinned
    (batch,) = DomainLoader(datasets, 2, prefetch=prefetch, pin_memory=True).iterate(0, 1)
    tensors = [
        value for fields in batch.values() for value in fields.values() if isinstance(value, torch.Tensor)
    ]
    assert {id(tensor) for tensor in pinned} == {id(tensor) for tensor in tensors}
    assert len(batch["s"]["paths"]) == 2


def test_workers_are_asked_to_pin(datasets, monkeypatch):
    asked = []
    make = torch.utils.data.DataLoader.__init__

    def spy(self, *arguments, **options):
        asked.append(options.pop("pin_memory"))
        make(self, *arguments, **options)

    monkeypatch.setattr(torch.utils.data.DataLoader, "__init__", spy)
    for pin in (True, False):
        list(DomainLoader(datasets, 2, workers=1, pin_memory=pin).iterate(0, 1))
    assert asked == [True, False]
