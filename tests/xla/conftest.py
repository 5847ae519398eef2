"""XLA's tests, in a process of their own where torch_xla is installed: ``pytest -m xla tests/xla``."""

import os

import pytest
import torch

from gancomponents.training import xla

os.environ.setdefault("PJRT_DEVICE", "CPU")
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")  # compiles several times faster


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "/tests/xla/" in item.path.as_posix():
            item.add_marker(pytest.mark.xla)


@pytest.fixture(scope="session", autouse=True)
def device() -> torch.device:
    """The device, opened before any backward pass: torch makes its threads then, and later devices get none."""
    return xla.device()
