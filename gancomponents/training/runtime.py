"""Where and how a step runs: the device, the arithmetic, the memory format."""

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

from gancomponents.errors import InputError
from gancomponents.training import prefetch, xla
from gancomponents.training.processes import Processes

_PRECISIONS = ("auto", "fp32", "bf16", "fp16")
_GOLDEN = 0x9E3779B97F4A7C15  # a step of it leads far from every other one, modulo 2^64
_AUTOCAST = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


class Runtime:
    """The device, precision and memory format of a run, behind one small object.

    Args:
        device: ``"auto"`` (a CUDA device, else the CPU), ``"cpu"``, ``"cuda"`` (the first, or under torchrun that
            of this process's local rank), ``"cuda:N"``, or ``"xla"`` (a TPU, say; all its cores are one device).
        precision: ``"fp32"``, ``"bf16"`` or ``"fp16"`` (autocast; weights, moments and losses stay in fp32; fp16
            scales losses, see `scaler`; not on XLA), or ``"auto"``: bf16 where the processor multiplies it
            natively, else fp32.
        channels_last: keep images and convolution weights in NHWC memory order. bf16 on a CPU needs it; on XLA,
            where the compiler orders memory, it means nothing.

    Raises:
        InputError: for a device or precision that is unknown or not on this machine.

    >>> runtime = Runtime("cpu", "fp32")
    >>> runtime.device.type, runtime.precision
    ('cpu', 'fp32')
    >>> runtime.to_device({"s": {"x": torch.zeros(1, 3, 4, 4), "paths": ["a.png"]}})["s"]["paths"]
    ['a.png']
    """

    def __init__(self, device: str = "auto", precision: str = "auto", *, channels_last: bool = True):
        #: Those that train together, each on a device of its own.
        self.processes = Processes()
        self.device = _device(device)
        self.precision = _precision(precision, self.device)
        ordered = channels_last and self.device.type != "xla"
        self._seed = torch.initial_seed() % 2**63
        self.memory_format = torch.channels_last if ordered else torch.contiguous_format

    def __str__(self) -> str:
        order = "channels_last" if self.memory_format is torch.channels_last else "contiguous"
        many = f" in each of {self.processes.count} processes" if self.processes.count > 1 else ""
        return f"{self.device}{many} in {self.precision}, {order}"

    def place(self, module: nn.Module) -> nn.Module:
        """Move a module to the device and memory format, in place: its parameters stay the same objects."""
        if self.device.type == "xla":
            return xla.place(module, self.device)
        # torch's stubs lack the memory_format overload that nn.Module.to documents.
        return module.to(self.device, memory_format=self.memory_format)  # type: ignore[call-overload]

    def to_device(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Move the tensors of a nested batch; whatever is no tensor (paths) stays as it is."""
        return {key: self._move(value) for key, value in batch.items()}

    def feed(self, batches: Iterable[Mapping[str, Any]]) -> Generator[Mapping[str, Any]]:
        """Batches on their way to the device, where it can fetch them while it trains on earlier ones.

        What `to_device` then finds there stays there.
        """
        if self.device.type == "cuda":
            yield from prefetch.to_cuda(batches, self.to_device, self.device)
        elif self.device.type == "xla":
            yield from xla.feed(batches, self.device)
        else:
            yield from batches

    def _move(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return self.to_device(value)
        if not isinstance(value, Tensor):
            return value
        if self.device.type == "xla":
            return xla.send(value, self.device)
        if value.dim() == 4:
            return value.to(self.device, non_blocking=True, memory_format=self.memory_format)
        return value.to(self.device, non_blocking=True)

    def autocast(self) -> AbstractContextManager[Any]:
        """The context in which an objective's forward pass runs."""
        kind = self.autocast_dtype
        return torch.autocast(self.device.type, kind, enabled=kind is not None)

    @property
    def autocast_dtype(self) -> torch.dtype | None:
        """What matrix products and convolutions are computed in, under `autocast`; None for the weights' own."""
        return _AUTOCAST[self.precision]

    def scaler(self) -> torch.amp.GradScaler:
        """A new gradient scaler, one for each optimiser; it does nothing but in fp16.

        Micikevicius et al. 2018 ("Mixed Precision Training"), section 3.2. It waits for the device once a step.
        """
        return torch.amp.GradScaler(self.device.type, enabled=self.precision == "fp16")

    def defer(self, tensor: Tensor) -> Callable[[], Tensor]:
        """Start bringing a tensor to the host; what is returned waits until it is there, and gives it."""
        if self.device.type != "cuda":
            return lambda: tensor
        host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
        host.copy_(tensor, non_blocking=True)
        arrived = torch.cuda.Event()
        arrived.record()

        def wait() -> Tensor:
            arrived.synchronize()
            return host

        return wait

    def begin_step(self, step: int) -> None:
        """Say that a step begins, to devices whose noise is the step's own: it then depends on nothing else."""
        if self.device.type == "xla":
            xla.finish_step()  # what was done between two steps, such as putting weights back, is no part of them
            xla.seed(self._seed + step * _GOLDEN)

    def finish_step(self) -> None:
        """Say that a step is whole, to devices that run it as one graph."""
        if self.device.type == "xla":
            xla.finish_step()

    def diverge(self, seed: int) -> None:
        """Let this process draw other noise than the first one does, which goes on with what it has."""
        if not self.processes.first:
            torch.manual_seed((seed + self.processes.rank * _GOLDEN) % 2**63)

    def rng_state(self) -> dict[str, dict[str, Tensor]]:
        """Every random generator that a step draws from, by process, as tensors for a checkpoint."""
        own = {"cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            own["cuda"] = torch.cuda.get_rng_state(self.device)
        if self.device.type == "xla":
            own["xla"] = torch.tensor(self._seed)
        return {str(rank): state for rank, state in enumerate(self.processes.gather(own))}

    def restore_rng(self, state: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Put back what `rng_state` gave; a process or a generator that it lacks keeps its seed."""
        own = state.get(str(self.processes.rank), {})
        if "cpu" in own:
            torch.set_rng_state(own["cpu"])
        if self.device.type == "cuda" and "cuda" in own:
            torch.cuda.set_rng_state(own["cuda"], self.device)
        if self.device.type == "xla" and "xla" in own:
            self._seed = int(own["xla"])


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda":
        name = f"cuda:{Processes.local_rank()}"
    if name == "xla":
        return xla.device()
    expected = "auto, cpu, cuda, cuda:N or xla"
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError):
        raise InputError("device", expected=expected, got=repr(name), fix="choose one of these") from None
    if device.type == "mps":
        fix = "use cpu: metrics need float64, which MPS lacks, and nothing here has been run on it"
        raise InputError("device", expected=expected, got=f"{name!r}, which is not supported", fix=fix)
    if device.type not in ("cpu", "cuda"):
        fix = "this device is not supported yet; use cpu or cuda"
        raise InputError("device", expected=expected, got=repr(name), fix=fix)
    if device.type == "cpu" and device.index not in (None, 0):
        raise InputError("device", expected=expected, got=repr(name), fix="use cpu")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        found = f"{name!r} where torch sees {torch.cuda.device_count()} CUDA devices"
        raise InputError("device", expected="a CUDA device of this machine", got=found, fix="use cpu or auto")
    return device


def _precision(name: str, device: torch.device) -> str:
    if name not in _PRECISIONS:
        known = ", ".join(_PRECISIONS)
        raise InputError("precision", expected=known, got=repr(name), fix="choose one of these")
    if name == "fp16" and device.type == "xla":
        fix = "use bf16, which needs no scaling"
        raise InputError("precision", expected="fp32 or bf16 on XLA", got=repr(name), fix=fix)
    if name != "auto":
        return name
    return "bf16" if _multiplies_bf16(device) else "fp32"


def _multiplies_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "xla":
        return xla.multiplies_bf16()
    probes = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(getattr(torch.cpu, probe, lambda: False)() for probe in probes)
