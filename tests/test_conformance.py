"""What every public block and function must do. `tests.cases` says of each how it is made and used."""

import copy
import importlib
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.case import Case, Elsewhere, floats, mapped, same, tensors
from tests.cases import CASES, ELSEWHERE, ROOMS

Check = Callable[[Case], None]


def _each(check: Check) -> Callable[..., None]:
    """The check over all cases; those that cannot pass it are strict expected failures with their reason."""
    kind = check.__name__.removeprefix("test_")
    parameters = [
        pytest.param(case, id=str(case), marks=pytest.mark.xfail(reason=case.cannot[kind], strict=True))
        if kind in case.cannot
        else pytest.param(case, id=str(case))
        for case in CASES
    ]
    return pytest.mark.parametrize("case", parameters)(check)


def _shape(value: Any) -> Any:
    if isinstance(value, Tensor):
        return tuple(value.shape)
    if isinstance(value, dict):
        return {key: _shape(item) for key, item in value.items()}
    return [_shape(item) for item in value] if isinstance(value, (list, tuple)) else value


def _expected(value: Any) -> Any:
    """Tuples of numbers are shapes; every other tuple or list is a nest."""
    if isinstance(value, tuple) and all(isinstance(item, int) for item in value):
        return value
    if isinstance(value, dict):
        return {key: _expected(item) for key, item in value.items()}
    return [_expected(item) for item in value] if isinstance(value, (list, tuple)) else value


def _scalar(outputs: Any) -> Tensor:
    """A scalar in which every entry of every floating-point output has a part."""
    wide = [t.double() for t in tensors(outputs) if t.is_floating_point()]
    return torch.stack([(t * t.sin()).sum() for t in wide]).sum()


@_each
def test_shapes(case: Case) -> None:
    for batch in (2, 1):
        outputs = case.module().train()(*case.inputs(batch))
        assert _shape(outputs) == _expected(case.shapes(batch)), f"batch of {batch}"


@_each
def test_gradients(case: Case) -> None:
    module = case.module().train()
    inputs = floats(case.inputs(2), lambda t: t.detach().requires_grad_())
    _scalar(module(*inputs)).backward()
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, f"no gradient for {name}"
            assert parameter.grad.isfinite().all(), f"gradient of {name} is not finite"
    grads = [t.grad for t in tensors(inputs) if t.grad is not None]
    assert grads, "no gradient reaches an input"
    assert all(grad.isfinite().all() for grad in grads)


@_each
def test_inputs_untouched(case: Case) -> None:
    inputs = case.inputs(2)
    before = mapped(inputs, Tensor.clone)
    case.module().train()(*inputs)
    same(inputs, before, 0)


@_each
def test_autocast(case: Case) -> None:
    module, inputs = case.module(), case.inputs(2)
    exact = tensors(module(*inputs))
    with torch.autocast("cpu", torch.bfloat16):
        rough = tensors(module(*inputs))
    for a, b in zip(rough, exact, strict=True):
        assert a.shape == b.shape
        if b.is_floating_point():
            assert a.isfinite().all() or not b.isfinite().all()
            # bfloat16 has eight bits: a few per cent after some layers, never another number.
            assert (a.float() - b).norm() <= 0.2 * b.norm() + 0.05 * b.numel() ** 0.5


@_each
def test_channels_last(case: Case) -> None:
    def last(t: Tensor) -> Tensor:
        return t.contiguous(memory_format=torch.channels_last) if t.ndim == 4 else t

    module, inputs = case.module(), case.inputs(2)
    expected = module(*inputs)
    module.to(memory_format=torch.channels_last)
    outputs = module(*mapped(inputs, last))
    same(outputs, expected, case.tolerance)
    if not any(isinstance(layer, nn.Conv2d) for layer in module.modules()):
        return
    for t in tensors(outputs):
        if t.ndim == 4:
            assert t.is_contiguous(memory_format=torch.channels_last), f"{tuple(t.shape)} is not"


@_each
def test_double(case: Case) -> None:
    module, inputs = case.module(), case.inputs(2)
    expected = module(*inputs)
    outputs = copy.deepcopy(module).double()(*floats(inputs, Tensor.double))
    assert all(t.dtype is torch.float64 for t in tensors(outputs) if t.is_floating_point())
    same(outputs, expected, 20 * case.tolerance)


@_each
def test_meta_device(case: Case) -> None:
    with torch.device("meta"):
        module = case.module()
    outputs = module(*mapped(case.inputs(2), lambda t: t.to("meta")))
    assert all(t.is_meta for t in tensors(outputs))
    assert _shape(outputs) == _expected(case.shapes(2))


@_each
def test_state_dict(case: Case) -> None:
    module, inputs = case.module(), case.inputs(2)
    other = case.module()
    other.load_state_dict(module.state_dict(), strict=True)
    same(other(*inputs), module(*inputs), 0)


@_each
def test_copies(case: Case) -> None:
    module, inputs = case.module(), case.inputs(2)
    expected = module(*inputs)
    same(copy.deepcopy(module)(*inputs), expected, 0)
    case_made = pickle.loads(pickle.dumps(module.made))
    module.made = case_made
    same(module(*inputs), expected, 0)


@_each
def test_evaluation_repeats(case: Case) -> None:
    module, inputs = case.module(), case.inputs(2)
    state = mapped(module.state_dict(), Tensor.clone)
    same(module(*inputs), module(*inputs), 0)
    same(module.state_dict(), state, 0)


@_each
def test_compile(case: Case) -> None:
    inputs = case.inputs(2)
    for training in (False, True):
        torch._dynamo.reset()
        ours = case.module().train(training)
        theirs = copy.deepcopy(ours)
        run = torch.compile(theirs, fullgraph=True, backend="aot_eager")
        torch.manual_seed(1)
        found = run(*inputs)
        torch.manual_seed(1)
        same(found, ours(*inputs), case.tolerance)
        same(theirs.state_dict(), ours.state_dict(), case.tolerance)


@_each
def test_export(case: Case) -> None:
    module, inputs = case.module(), case.inputs(2)
    exported = torch.export.export(module, inputs).module()
    same(exported(*inputs), module(*inputs), case.tolerance)


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_name_has_a_case(room: str) -> None:
    public = {f"{room}.{name}" for name in importlib.import_module(f"gancomponents.{room}").__all__}
    listed = {case.name for case in ROOMS[room]}
    assert listed == public


@pytest.mark.parametrize("case", ELSEWHERE, ids=str)
def test_the_named_tests_exist(case: Elsewhere) -> None:
    text = (Path(__file__).parents[1] / case.tests).read_text()
    assert case.name.split(".")[-1] in text


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_a_case_cannot_is_a_check(case: Case) -> None:
    elsewhere = {"xla"}  # tests/xla/test_blocks.py
    assert all(f"test_{kind}" in globals() for kind in case.cannot.keys() - elsewhere)
