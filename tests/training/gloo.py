"""Two real processes that meet by gloo, for tests."""

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp


def in_two(work: Callable[..., Any], *arguments: Any) -> list[Any]:
    """What ``work(*arguments)`` returns in each of two processes; anything that torch can save."""
    with tempfile.TemporaryDirectory() as folder:
        mp.spawn(_child, (folder, work, arguments), nprocs=2)
        return [torch.load(Path(folder, f"{rank}.pt"), weights_only=False) for rank in range(2)]


def _child(rank: int, folder: str, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    torch.set_num_threads(1)
    store = dist.FileStore(str(Path(folder, "store")), 2)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=2)
    torch.manual_seed(0)
    torch.save(work(*arguments), Path(folder, f"{rank}.pt"))
    dist.barrier()
    # Past the interpreter's end: gloo's threads may drop a tensor in the middle of it, and abort the process.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
