"""XLA's tests need torch_xla, in an environment of its own (README, "Hardware"); elsewhere they are left out."""

import importlib.util
import os

import pytest
import torch

from gancomponents.training import xla

os.environ.setdefault("PJRT_DEVICE", "CPU")
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")  # compiles several times faster


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if importlib.util.find_spec("torch_xla") is not None:
        return
    for item in items:
        if "/xla/" in item.path.as_posix():
            item.add_marker(pytest.mark.skip(reason="torch_xla is not installed: pip install -e .[test,tpu]"))


@pytest.fixture(scope="session", autouse=True)
def device() -> torch.device:
    """The device, opened before any backward pass: torch makes its threads then, and later devices get none."""
    return xla.device()
