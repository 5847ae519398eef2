"""TPUs and other XLA devices through torch_xla, which is imported when one is asked for; no other file knows it.

A graph is traced from one `finish_step` to the next, compiled once for its shapes, and run without the host.
With several cores in this process (a TPU's, say), the compiler shares every batch out to them by its rows (SPMD)
and keeps the weights on all; a step is then what one device of that batch would do, batch norms included.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from gancomponents.errors import InputError
from gancomponents.layers.fusion import scale_and_shift
from gancomponents.training.processes import Processes


def device() -> torch.device:
    """The XLA device of this process: its only core, or all of them as one.

    Raises:
        InputError: torch_xla is missing or does not fit torch, no core is there, or several processes would share
            them.
    """
    expected = "torch_xla and a device that it can use"
    try:
        import torch_xla
        import torch_xla.runtime as runtime
    except Exception as error:  # a build for another torch fails in ways of its own
        fix = "install gancomponents[tpu] in an environment of its own, or use --device cpu"
        raise InputError("device xla", expected=expected, got=_one_line(error), fix=fix) from None
    if Processes.started_as_one_of() > 1 or runtime.process_count() > 1:
        fix = "start it once, without torchrun: one process feeds all cores of a machine"
        raise InputError("device xla", expected="one process", got="several", fix=fix)
    try:
        if runtime.global_runtime_device_count() > 1 and not runtime.is_spmd():
            runtime.use_spmd()
        _mend_batch_norm()
        return torch.device(torch_xla.device())
    except RuntimeError as error:
        fix = "set PJRT_DEVICE to TPU or CPU"
        raise InputError("device xla", expected=expected, got=_one_line(error), fix=fix) from None


def cores() -> int:
    """How many cores work as one device."""
    import torch_xla.runtime as runtime

    return int(runtime.global_runtime_device_count()) if runtime.is_spmd() else 1


def multiplies_bf16() -> bool:
    """Whether the device multiplies bf16 natively: TPUs do."""
    import torch_xla.runtime as runtime

    return runtime.device_type() == "TPU"


def place(module: nn.Module, device: torch.device) -> nn.Module:
    """Move a module, in place: unlike ``module.to``, which makes new parameters on XLA, as the same objects."""
    future = torch.__future__
    before = future.get_swap_module_params_on_conversion()
    future.set_swap_module_params_on_conversion(True)
    try:
        return module.to(device)
    finally:
        future.set_swap_module_params_on_conversion(before)


def finish_step() -> None:
    """Close the graph of a step and start it; returns before it is done."""
    import torch_xla

    torch_xla.sync()


def feed(batches: Iterable[Mapping[str, Any]], device: torch.device) -> Iterator[Mapping[str, Any]]:
    """Batches on the device, sent there by a thread while earlier ones are trained on.

    Raises:
        Exception: whatever the batches raise.
    """
    from torch_xla.distributed.parallel_loader import ParallelLoader

    errors: list[BaseException] = []

    def caught() -> Iterator[Mapping[str, Any]]:
        try:
            yield from batches
        except BaseException as error:  # in another thread, where nobody would hear of it
            errors.append(error)

    loader = ParallelLoader(
        caught(),
        [device],
        loader_prefetch_size=2,
        device_prefetch_size=2,
        input_sharding=_ByRows() if cores() > 1 else None,
    )
    try:
        yield from loader.per_device_loader(device)
    finally:
        loader.close()
    if errors:
        raise errors[0]


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor on the device, its rows shared out to the cores where they divide evenly."""
    if tensor.device.type == "xla" or cores() == 1:
        return tensor.to(device)
    from torch_xla.core.xla_model import send_cpu_data_to_device

    return send_cpu_data_to_device(tensor, device, _ByRows())[0]


def seed(number: int) -> None:
    """Start the device's random generator, which `torch.manual_seed` leaves alone and every graph moves on."""
    from torch_xla.core.xla_model import set_rng_state

    set_rng_state(number % 2**64)


def compilations() -> int:
    """How many graphs have been compiled since the process began."""
    from torch_xla.debug.metrics import metric_data

    found = metric_data("CompileTime")
    return 0 if found is None else int(found[0])


def fallbacks() -> dict[str, int]:
    """Operations that left the device for the host, and how often, since the process began."""
    from torch_xla.debug.metrics import counter_names, counter_value

    return {name: counter_value(name) for name in counter_names() if name.startswith("aten::")}


@cache
def _mend_batch_norm() -> None:
    """Let gradients pass through batch norms in evaluation, as of frozen encoders: in torch_xla 2.9 they cannot."""
    library = torch.library.Library("aten", "IMPL")
    library.impl("batch_norm", _batch_norm, "AutogradXLA")
    _libraries.append(library)


_libraries: list[torch.library.Library] = []  # what they implement ends with them


def _batch_norm(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor | None,
    variance: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
    cudnn: bool,
) -> Tensor:
    if training or mean is None or variance is None:
        return torch.native_batch_norm(x, weight, bias, mean, variance, training, momentum, eps)[0]
    shape = [1, -1, *(1,) * (x.dim() - 2)]
    scale, shift = scale_and_shift(mean, variance, weight, bias, eps)
    return (x * scale.reshape(shape) + shift.reshape(shape)).to(x.dtype)


class _ByRows:
    """What torch_xla asks of an input sharding: rows over all cores, or all of it on each."""

    minibatch = False

    def xla_spec(self, tensor: Tensor) -> Any:
        if tensor.dim() == 0 or tensor.shape[0] % cores():
            return None
        return _sharding(tensor.dim()).xla_spec(tensor)


@cache
def _sharding(dimensions: int) -> Any:
    import numpy as np
    from torch_xla.distributed.spmd import Mesh, ShardingSpec

    mesh = Mesh(np.arange(cores()), (cores(),), ("rows",))
    return ShardingSpec(mesh, ("rows", *(None,) * (dimensions - 1)))


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
