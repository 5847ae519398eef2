"""Every layer's gradients against finite differences."""

import pytest
import torch
from torch import Tensor
from torch.func import functional_call

from gancomponents.layers import spectral_norms
from tests.case import Case, floats, tensors
from tests.layers.cases import CASES


@pytest.mark.parametrize("case", [case for case in CASES if isinstance(case, Case)], ids=str)
def test_gradients_of_inputs_and_parameters(case: Case) -> None:
    module = case.module().double()
    # Batch statistics have gradients of their own; a power iteration makes each call another function.
    module.train(not list(spectral_norms(module)) and "SpectralNorm" not in case.name)
    parameters = dict(module.named_parameters())
    inputs = floats(case.inputs(2), lambda t: t.double().requires_grad_())

    def run(*values: Tensor) -> list[Tensor]:
        given = dict(zip(parameters, values[len(inputs) :], strict=True))
        return tensors(functional_call(module, given, values[: len(inputs)]))

    assert torch.autograd.gradcheck(run, (*inputs, *parameters.values()), fast_mode=True)
