"""Conformance cases of `gancomponents.optim`: nothing here maps tensors to tensors."""

from tests.case import Case, Elsewhere

CASES: list[Case | Elsewhere] = [
    Elsewhere("optim.Constant", "tests/optim/test_schedules.py"),
    Elsewhere("optim.Cosine", "tests/optim/test_schedules.py"),
    Elsewhere("optim.ExponentialMovingAverage", "tests/optim/test_ema.py"),
    Elsewhere("optim.ExtraAdam", "tests/optim/test_extra_adam.py"),
    Elsewhere("optim.MultiStep", "tests/optim/test_schedules.py"),
    Elsewhere("optim.Schedule", "tests/optim/test_schedules.py"),
    Elsewhere("optim.StepDecay", "tests/optim/test_schedules.py"),
    Elsewhere("optim.Warmup", "tests/optim/test_schedules.py"),
    Elsewhere("optim.novograd", "tests/optim/test_novograd.py"),
    Elsewhere("optim.parameter_groups", "tests/optim/test_groups.py"),
    Elsewhere("optim.set_learning_rate", "tests/optim/test_schedules.py"),
]
