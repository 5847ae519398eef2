"""A run survives SIGKILL at any moment: what it leaves in the end is what it leaves undisturbed, bit for bit."""

import os
import signal
from pathlib import Path

import pytest

from tests.recipes.survival import MOMENTS, VICTIMS, Trial, assert_same
from tests.recipes.tiny import write_data


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"), count=8)


@pytest.fixture(scope="module")
def seed() -> int:
    """SURVIVAL_SEED, or another one each time; a failing test shows it."""
    return int(os.environ.get("SURVIVAL_SEED", int.from_bytes(os.urandom(4), "big")))


def test_three_kills(data: Path, tmp_path: Path, seed: int) -> None:
    print(f"SURVIVAL_SEED={seed}")
    whole = Trial(data, tmp_path / "whole", steps=11)
    whole.finish()
    trial = Trial(data, tmp_path / "killed", steps=11, workers=2, seed=seed)
    for moment, victim in (("step", "main"), ("save", "all"), ("save", "main")):
        trial.kill(moment, victim)
    trial.finish()
    assert_same(trial, whole)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_loader_workers_too_saves(data: Path, tmp_path: Path, number: signal.Signals) -> None:
    trial = Trial(data, tmp_path / "run", steps=500, workers=2)
    process = trial.start()
    trial.wait_for_checkpoint(process)
    for one in trial.living():  # a terminal's Ctrl-C, and what most schedulers send, goes to all
        one.send_signal(number)
    assert process.wait(60) == 130, trial.log.read_text()[-3000:]
    trial.wait_for_orphans(2.0)
    said = trial.log.read_text()
    assert f"stopped at step {trial.saved()}; saved in" in said
    assert "Traceback" not in said


@pytest.fixture(scope="module")
def undisturbed(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Trial]:
    """A run without workers for each number of processes: workers change nothing."""
    trials = {}
    for processes in (1, 2):
        output = tmp_path_factory.mktemp("runs") / "whole"
        trials[processes] = Trial(data, output, steps=_STEPS, processes=processes)
        trials[processes].finish()
    return trials


_KILLS, _STEPS = 20, 64


@pytest.mark.slow
@pytest.mark.parametrize(
    ("workers", "processes", "moments"),
    [(0, 1, MOMENTS), (2, 1, MOMENTS), (0, 2, MOMENTS), (2, 2, MOMENTS), (0, 1, ("save",))],
)
def test_twenty_kills(
    data: Path,
    tmp_path: Path,
    seed: int,
    undisturbed: dict[int, Trial],
    workers: int,
    processes: int,
    moments: tuple[str, ...],
) -> None:
    print(f"SURVIVAL_SEED={seed}: {workers} workers, {processes} processes, killed in {', '.join(moments)}")
    output = tmp_path / "killed"
    trial = Trial(data, output, steps=_STEPS, workers=workers, processes=processes, seed=seed)
    victims = VICTIMS if processes > 1 else ("all", "main")
    for _ in range(_KILLS):
        trial.kill(trial.random.choice(moments), trial.random.choice(victims))
    trial.finish()
    assert_same(trial, undisturbed[processes])
    print(f"{_KILLS} kills survived")
