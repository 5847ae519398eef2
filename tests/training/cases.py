"""Conformance cases of `gancomponents.training`: nothing here is a function of tensors."""

from tests.case import Case, Elsewhere

CASES: list[Case | Elsewhere] = [
    Elsewhere("training.AdversarialLoop", "tests/training/test_loop.py"),
    Elsewhere("training.Batch", "tests/training/test_player.py"),
    Elsewhere("training.Fault", "tests/training/test_faults.py"),
    Elsewhere("training.Losses", "tests/training/test_player.py"),
    Elsewhere("training.Objective", "tests/training/test_player.py"),
    Elsewhere("training.Player", "tests/training/test_player.py"),
    Elsewhere("training.Runtime", "tests/training/test_runtime.py"),
    Elsewhere("training.Tracker", "tests/training/test_tracking.py"),
    Elsewhere("training.Trackers", "tests/training/test_tracking.py"),
    Elsewhere("training.checkpoint", "tests/training/test_checkpoint.py"),
]
