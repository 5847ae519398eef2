"""Looking one batch ahead, and what is asked of CUDA for it: a fake, since the tests run without a GPU."""

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from gancomponents.training import Runtime
from gancomponents.training.prefetch import one_ahead, to_cuda


def test_the_next_is_started_before_this_one_is_used() -> None:
    seen: list[str] = []

    def start(item: int) -> int:
        seen.append(f"start {item}")
        return item

    for item in one_ahead(range(3), start):
        seen.append(f"use {item}")
    assert seen == ["start 0", "start 1", "use 0", "start 2", "use 1", "use 2"]
    assert list(one_ahead([], start)) == []


def test_an_error_comes_after_what_was_there_before_it() -> None:
    def failing() -> Iterator[int]:
        yield 0
        raise OSError("gone")

    ahead = one_ahead(failing(), lambda item: item)
    assert next(ahead) == 0
    with pytest.raises(OSError, match="gone"):
        next(ahead)


def test_closing_closes_what_it_reads_from() -> None:
    closed = []

    def batches() -> Iterator[dict[str, Any]]:
        try:
            while True:
                yield {"s": {"x": torch.zeros(1)}}
        finally:
            closed.append(True)

    for make in (
        lambda: one_ahead(batches(), lambda item: item),
        lambda: Runtime("cpu", "fp32").feed(batches()),
    ):
        ahead = make()
        next(ahead)
        ahead.close()
        assert closed.pop()


def test_on_a_cpu_batches_pass_through_one_by_one() -> None:
    asked = []

    def batches() -> Iterator[dict[str, Any]]:
        for step in range(3):
            asked.append(step)
            yield {"step": step}

    fed = Runtime("cpu", "fp32").feed(batches())
    assert next(fed) == {"step": 0}
    assert asked == [0]


class _Stream:
    def __init__(self, name: str, log: list[str]):
        self.name, self.log = name, log

    def wait_event(self, event: "_Event") -> None:
        self.log.append(f"{self.name} waits for {event.after}")


class _Event:
    after = ""

    def record(self, stream: _Stream) -> None:
        self.after = stream.log[-1]


def test_copies_go_by_a_stream_of_their_own_and_steps_wait_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    log: list[str] = []
    training = _Stream("training", log)
    current = [training]

    @contextlib.contextmanager
    def on(stream: _Stream) -> Iterator[None]:
        current.append(stream)
        yield
        current.pop()

    monkeypatch.setattr(torch.cuda, "Stream", lambda device: _Stream("side", log))
    monkeypatch.setattr(torch.cuda, "Event", _Event)
    monkeypatch.setattr(torch.cuda, "stream", on)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: current[-1])
    kept: list[str] = []
    monkeypatch.setattr(torch.Tensor, "record_stream", lambda tensor, stream: kept.append(stream.name))

    def move(batch: Any) -> Any:
        log.append(f"{current[-1].name} copies {batch['step']}")
        return batch

    batches = [{"step": step, "s": {"x": torch.zeros(1), "paths": ["a"]}} for step in range(2)]
    for batch in to_cuda(batches, move, torch.device("cuda", 0)):
        log.append(f"train {batch['step']}")
        assert current == [training]
    assert log == [
        "side copies 0",
        "side copies 1",
        "training waits for side copies 0",
        "train 0",
        "training waits for side copies 1",
        "train 1",
    ]
    assert kept == ["training", "training"]
