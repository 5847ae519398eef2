"""The runtime: devices and precisions, known and unknown."""

import sys

import pytest
import torch
from torch import nn

from gancomponents.errors import InputError
from gancomponents.training import Runtime


@pytest.mark.parametrize("name", ["", "tpu", "mps", "cuda:99", "cpu:3", "gpu", "cuda:-1"])
def test_unknown_devices_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="device"):
        Runtime(name, "fp32")


def test_apples_gpus_are_refused_by_name_and_auto_passes_them_by(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for name in ("mps", "mps:0"):
        with pytest.raises(
            InputError, match=r"device: .*'mps(:0)?', which is not supported\. Fix: use cpu: .*float64"
        ):
            Runtime(name)
    assert Runtime("auto").device.type == "cpu"


@pytest.mark.parametrize("name", ["", "half", "fp8", "float32", "BF16"])
def test_unknown_precisions_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="precision"):
        Runtime("cpu", name)


def test_xla_without_torch_xla_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch_xla", None)
    with pytest.raises(InputError, match=r"device xla: .* install gancomponents\[tpu\]"):
        Runtime("xla", "fp32")


def test_auto_resolves_to_something_concrete() -> None:
    runtime = Runtime()
    assert runtime.device.type in ("cpu", "cuda")
    assert runtime.precision in ("fp32", "bf16")


@pytest.mark.parametrize(
    ("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)]
)
def test_autocast_follows_the_precision(precision: str, dtype: torch.dtype) -> None:
    runtime = Runtime("cpu", precision)
    conv = runtime.place(nn.Conv2d(3, 4, 3))
    with runtime.autocast():
        assert conv(torch.rand(1, 3, 8, 8)).dtype == dtype


@pytest.mark.parametrize("channels_last", [True, False])
def test_memory_format(channels_last: bool) -> None:
    runtime = Runtime("cpu", "fp32", channels_last=channels_last)
    conv = nn.Conv2d(3, 4, 3)
    weight = conv.weight
    runtime.place(conv)
    moved = runtime.to_device({"s": {"x": torch.rand(2, 3, 8, 8), "s": torch.zeros(2, 4, 4), "paths": ["a"]}})
    assert conv.weight is weight
    assert conv.weight.is_contiguous(memory_format=torch.channels_last) == channels_last
    assert moved["s"]["x"].is_contiguous(memory_format=torch.channels_last) == channels_last
    assert moved["s"]["paths"] == ["a"]


def test_rng_state_round_trips() -> None:
    runtime = Runtime("cpu", "fp32")
    state = runtime.rng_state()
    first = torch.rand(3)
    runtime.restore_rng(state)
    assert torch.equal(first, torch.rand(3))
