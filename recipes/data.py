"""A recipe's data: training batches, held-out frames and their truth, read at one size."""

import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from torch import Tensor

from gancomponents.data import (
    DOMAINS,
    BucketiseDepth,
    Compose,
    CycleToLongest,
    DepthTarget,
    DomainDataset,
    DomainLoader,
    FileList,
    JointTransform,
    Mixing,
    SampleCache,
    ShuffledDomains,
    StopAtShortest,
    TemperatureMixing,
    WeightedMixing,
    read_kitti,
    read_list,
)
from gancomponents.data.loader import collate
from gancomponents.data.mixing import check_mixing
from gancomponents.errors import InputError, check_whole
from recipes.sources import Folder, Source, Town

__all__ = [
    "CycleToLongest",
    "Data",
    "Folder",
    "ShuffledDomains",
    "Source",
    "StopAtShortest",
    "TemperatureMixing",
    "Town",
    "WeightedMixing",
]

_INCOMPLETE = ("error", "skip", "keep")
#: What each domain's lists usually hold beside the image.
_TASKS = {"s": ("s", "d", "m"), "r": ("m",), "rf": ("m",), "kitti": ("s", "d")}


class Data:
    """The lists of every domain, read at one size: training batches, held-out frames, truth for evaluation.

    Args:
        source: where the lists are.
        train: the training list of every domain, in the source's folder or anywhere else by its whole path;
            environment variables and ``~`` are expanded, here and below. For kitti, also the folder into which
            Virtual KITTI 2 was unpacked. A domain whose list is None is left out.
        val: the held-out list of every domain.
        truth: lists in the rows of ``val`` with the true labels where ``val`` has pseudo-labels or none; for rf,
            the same streets dry, with their masks, where ``val`` has them flooded. Without it, held-out
            pictures of rf are painted as they are, and not compared with true floods one by one.
        kitti: Virtual KITTI 2 for pre-training, the folder into which it was unpacked or a list; short for a
            ``kitti`` among the training lists.
        tasks: the tasks that training reads from every domain, beside the image x, where they are not s: s, d, m;
            r: m; rf: m; kitti: s, d.
        incomplete: what becomes of training rows that lack one of the tasks: "error", "skip" (left out) or "keep"
            (they teach the tasks that they have).
        size: height and width of the network's square input, pixels.
        crop: with a frame's shorter side at ``size``, the square that is cropped at random for training, then
            resized to ``size``; None keeps the published ratio of 600 in 640.
        flip: probability of mirroring a training sample.
        colour_jitter: strength of the colour jitter on training images.
        target_stride: depth and labels are read at this fraction of ``size``, as the masker predicts them.
        depth_buckets: number of classes of log depth in training, for a depth decoder that classifies (domains s
            and kitti); None for inverse depth.
        depth_stretch: stretch the inverse depth of every sample to [0, 1], as pseudo-labels of unknown scale are.
        mixing: which domains share a step, and where an epoch ends; see `gancomponents.data.DomainLoader`.
        batch_size: images of each domain in a batch of each process, one number or one by domain.
        max_samples: use this many rows from the top of every training list; all where None.
        workers: loader processes; 0 loads in a thread beside the training step.
        stretch: stretch each image to the full range [-1, 1], as the published system does.
        cache: folder in which decoded samples are kept for later epochs and runs, see
            `gancomponents.data.SampleCache`; None decodes every file each time.
        cache_gib: GiB that the samples in there take at most.
    """

    def __init__(
        self,
        source: Source,
        *,
        train: Mapping[str, str | None],
        val: Mapping[str, str | None],
        truth: Mapping[str, str | None] | None = None,
        kitti: str | None = None,
        tasks: Mapping[str, Sequence[str]] | None = None,
        incomplete: str = "error",
        size: int = 128,
        crop: int | None = None,
        flip: float = 0.5,
        colour_jitter: float = 0.0,
        target_stride: int = 4,
        depth_buckets: int | None = None,
        depth_stretch: bool = False,
        mixing: Mixing | None = None,
        batch_size: int | Mapping[str, int] = 4,
        max_samples: int | None = None,
        workers: int = 0,
        stretch: bool = False,
        cache: str | None = None,
        cache_gib: float = 64,
    ):
        for name, lists in {"train": train, "val": val, "truth": truth or {}}.items():
            if not isinstance(lists, Mapping) or not all(isinstance(x, str | None) for x in lists.values()):
                raise ValueError(f"{name} must be a list's name for each domain, got {lists!r}")
        if not hasattr(source, "locate"):
            raise ValueError(f"source must be one such as @data.Town() or @data.Folder(), got {source!r}")
        self.source = source
        self.train_lists, self.val_lists, self.truth_lists = (
            {domain: name for domain, name in lists.items() if name is not None}
            for lists in (train, val, truth or {})
        )
        if kitti is not None:
            self.train_lists["kitti"] = kitti
        self.tasks = {**_TASKS, **(tasks or {})}
        if incomplete not in _INCOMPLETE:
            raise ValueError(f"incomplete must be one of {_INCOMPLETE}, got {incomplete!r}: choose one")
        self.incomplete = incomplete
        self.depth_buckets, self.depth_stretch, self.mixing = depth_buckets, depth_stretch, mixing
        self.size, self.crop, self.flip = size, crop, flip
        self.colour_jitter, self.target_stride = colour_jitter, target_stride
        self.batch_size, self.max_samples = batch_size, max_samples
        self.workers, self.stretch = workers, stretch
        self.cache, self.cache_gib = cache, cache_gib
        self.folder: Path | None = None
        self._check()

    def _check(self) -> None:
        """Refuse what no list could make right, before any data is looked for."""
        domains = [*self.train_lists, *self.val_lists, *self.truth_lists]
        unknown = sorted(set(domains) - set(DOMAINS) | set(self.tasks) - set(DOMAINS))
        if unknown or not self.train_lists:
            raise ValueError(
                f"train, val, truth and tasks must name domains among {DOMAINS}, got {unknown or 'none'}"
            )
        if untold := sorted(set(self.train_lists) - set(self.tasks)):
            raise ValueError(
                f"tasks must say what training reads from every domain, got nothing for {untold}"
            )
        if strange := sorted(
            {task for tasks in self.tasks.values() for task in tasks} - {"x", "s", "d", "m"}
        ):
            raise ValueError(f"tasks must be among x, s, d, m, got {strange}")
        for name, value, minimum in (
            ("size", self.size, 1),
            ("target_stride", self.target_stride, 1),
            ("workers", self.workers, 0),
        ):
            check_whole(name, value, minimum=minimum)
        if self.max_samples is not None:
            check_whole("max_samples", self.max_samples, minimum=1)
        if self.depth_buckets is not None:
            check_whole("depth_buckets", self.depth_buckets, minimum=3)
            if self.depth_stretch:
                raise ValueError(
                    "depth_stretch must be False with depth_buckets, got True: buckets have a scale"
                )
            if relative := [d for d in self.train_lists if d in ("r", "rf") and "d" in self.tasks[d]]:
                raise ValueError(
                    f"tasks must not have d in {relative[0]} with depth_buckets: its depth has no scale"
                )
        if not isinstance(self.cache, str | None):
            raise ValueError(f"cache must be the path of a folder or None, got {self.cache!r}: quote a path")
        if not self.cache_gib > 0:
            raise ValueError(f"cache_gib must be above 0, got {self.cache_gib}: None as cache keeps nothing")
        if self.mixing is not None:
            check_mixing(self.mixing)
        self._check_batches()
        self._transform(train=True)

    def _check_batches(self) -> None:
        sizes: Mapping[str, object]
        if isinstance(self.batch_size, Mapping):
            sizes = self.batch_size
        else:
            sizes = dict.fromkeys(self.train_lists, self.batch_size)
        if not set(self.train_lists) <= set(sizes) <= set(DOMAINS):
            domains = list(self.train_lists)
            raise ValueError(f"batch_size must be one number, or one for each of {domains}, got {sizes}")
        for domain in self.train_lists:
            size = check_whole("batch_size", sizes[domain], minimum=1)
            rows = [n for n in (self.source.training_rows(domain), self.max_samples) if n is not None]
            if min(rows, default=size) < size:
                got = f"{min(rows)} training frames of {domain} for batches of {size}"
                fix = "lower data.Data.batch_size, or ask for more frames"
                raise InputError("batch_size", expected="at least one full batch", got=got, fix=fix)

    @property
    def domains(self) -> tuple[str, ...]:
        """The domains with a training list, in the order in which every step visits them."""
        return tuple(self.train_lists)

    def batch_of(self, domain: str) -> int:
        """Images of a domain in a batch."""
        return self.batch_size if isinstance(self.batch_size, int) else self.batch_size[domain]

    def prepare(
        self, domains: Sequence[str], held_out: Sequence[str] | None = None, *, validate: bool = False
    ) -> None:
        """Find (or render) the data and check every file of every list, so that training meets no surprise.

        Args:
            domains: those of the training lists in use.
            held_out: those of the held-out lists in use; the same where None.
            validate: whether losses of the held-out lists will be asked for, which needs the tasks of training.

        Raises:
            InputError: for the first list or file that is missing, unreadable or wrong.
        """
        self.folder = self.source.locate()
        for domain in domains:
            self._training_set(domain, 0).check()
        for domain in (d for d in (domains if held_out is None else held_out) if d in self.val_lists):
            frames = self.held_out(domain)
            frames.check()
            if validate and domain in domains:
                self._validation_set(domain)  # which complains of rows that lack a task
            if domain == "rf" and self.knows_floods:  # otherwise they are the held-out ones
                self._check_floods(len(frames))

    def _check_floods(self, dry: int) -> None:
        flooded = self.flooded()
        flooded.check()
        if (wet := len(flooded)) != dry:
            expected = (
                f"as many rows as {self.val_lists['rf']}, {wet}: the same streets, dry, in the same order"
            )
            fix = "list both alike, or leave rf out of data.Data.truth"
            raise InputError(self.truth_lists["rf"], expected=expected, got=str(dry), fix=fix)

    def loader(
        self,
        seed: int,
        domains: Sequence[str],
        *,
        rank: int = 0,
        world_size: int = 1,
        pin_memory: bool = False,
    ) -> DomainLoader:
        """The training batches of these domains, or this process's part of them."""
        datasets = {domain: self._training_set(domain, seed) for domain in domains}
        sizes = {domain: self.batch_of(domain) for domain in domains}
        mixing = self.mixing if len(domains) > 1 else None  # one domain alone mixes with nothing
        try:
            return DomainLoader(
                datasets,
                sizes,
                mixing=mixing,
                seed=seed,
                rank=rank,
                world_size=world_size,
                workers=self.workers,
                pin_memory=pin_memory,
            )
        except InputError:
            raise
        except ValueError as error:  # of the mixing, all else being checked
            raise InputError("data.Data.mixing", got=str(error), fix="correct that binding") from error

    def validation_batches(self, domains: Sequence[str]) -> Iterator[dict[str, Any]]:
        """The held-out lists of these domains as training would read them, without augmentation, each once through.

        Batches of several domains go side by side; a shorter list is missing from the last ones.
        """
        streams = {
            domain: batches(self._validation_set(domain), self.batch_of(domain))
            for domain in domains
            if domain in self.val_lists
        }
        for together in zip_longest(*streams.values()):
            yield {d: batch for d, batch in zip(streams, together, strict=True) if batch is not None}

    def _validation_set(self, domain: str) -> DomainDataset:
        files = self._files(self.val_lists[domain], domain)
        return self._sized(files, domain, self._transform(train=False), seed=0)

    def held_out(self, domain: str) -> DomainDataset:
        """The held-out frames of a domain: whole, centred, with labels at full size; true ones where known."""
        if domain in self.truth_lists:
            return self._plain(
                self.truth_lists[domain], domain, stored_as="s"
            )  # true labels, depth in metres
        return self._plain(self.val_lists[domain], domain)

    @property
    def knows_floods(self) -> bool:
        """Whether every held-out picture of rf is there dry and flooded: the truth list has it dry."""
        return {"rf"} <= set(self.val_lists) & set(self.truth_lists)

    def flooded(self) -> DomainDataset:
        """The held-out flooded pictures, in the order of `held_out`."""
        return self._plain(self.val_lists["rf"], "rf")

    def training_frames(self, domain: str) -> DomainDataset:
        """The training frames as `held_out` would read them: no augmentation, labels at full size."""
        return self._plain(self.train_lists[domain], domain)

    def _training_set(self, domain: str, seed: int) -> DomainDataset:
        files = self._files(self.train_lists[domain], domain)
        return self._sized(files, domain, self._transform(train=True), seed, self.max_samples)

    def _sized(
        self,
        files: Path | FileList,
        domain: str,
        transform: Compose,
        seed: int,
        max_samples: int | None = None,
    ) -> DomainDataset:
        metric = domain in ("s", "kitti")
        depth = DepthTarget(
            domain, log=metric and self.depth_buckets is not None, stretch=self.depth_stretch or None
        )
        return DomainDataset(
            files,
            domain,
            tasks=tuple(self.tasks[domain]),
            transform=transform,
            depth=depth,
            stretch=self.stretch,
            max_samples=max_samples,
            skip_incomplete=self.incomplete == "skip",
            partial=self.incomplete == "keep" and domain != "rf",  # the painter paints under every mask
            min_size=self.size,
            seed=seed,
            cache=self._cache(),
        )

    def _cache(self) -> SampleCache | None:
        if self.cache is None:
            return None
        folder = Path(os.path.expandvars(self.cache)).expanduser()
        return SampleCache(folder, limit=max(1, int(self.cache_gib * 2**30)))

    def _transform(self, *, train: bool) -> Compose:
        small = -(-self.size // self.target_stride)
        joint = JointTransform(
            self.size,
            crop=self.crop,
            train=train,
            flip=self.flip,
            target_sizes={"d": small, "s": small},
            colour_jitter=self.colour_jitter,
        )
        return (
            joint
            if self.depth_buckets is None
            else Compose([joint, BucketiseDepth(buckets=self.depth_buckets)])
        )

    def _plain(self, name: str, domain: str, stored_as: str | None = None) -> DomainDataset:
        transform = JointTransform(self.size, crop=self.size, train=False, target_sizes={})
        files = self._files(name, domain)
        rows = files if isinstance(files, FileList) else read_list(files, ("s", "d", "m"), must_exist=False)
        # Whatever all rows have, or some, where they are kept; pictures without labels can still be shown.
        counts = {task: len(rows.having("x", task)) for task in ("s", "d", "m")}
        partial = self.incomplete == "keep" and domain != "rf"
        tasks = [task for task, count in counts.items() if (count if partial else count == len(rows))]
        if domain == "rf" and "m" not in tasks:
            fix = "list the mask of every flooded picture: the painter needs it"
            raise InputError(name, expected="'m' in every row of domain rf", got="rows without", fix=fix)
        if domain == "rf":
            tasks = ["m"]
        return DomainDataset(
            files,
            stored_as or domain,
            tasks=tasks,
            transform=transform,
            stretch=self.stretch,
            partial=partial,
        )

    def _files(self, name: str, domain: str) -> Path | FileList:
        """A list; or, of Virtual KITTI 2, the frames of the folder into which it was unpacked."""
        if self.folder is None:
            raise RuntimeError("call prepare() before reading any data")
        path = self.folder / Path(os.path.expandvars(name)).expanduser()
        if domain == "kitti" and path.is_dir():
            return read_kitti(path, tasks=[task for task in self.tasks["kitti"] if task != "x"])
        if not path.is_file():
            fix = "bind data.Data.train, val and truth to lists that are there; truth may be {}"
            expected = "a list of files"
            if domain == "kitti":
                expected += ", or the folder into which Virtual KITTI 2 was unpacked"
            raise InputError(str(path), expected=expected, got="no such file", fix=fix)
        return path


def batches(frames: DomainDataset, size: int) -> Iterator[dict[str, Tensor]]:
    """Every sample of a list, in batches of rows with the same tasks, as large as there are any left.

    Rows that all have the same tasks stay in order.
    """
    alike: dict[tuple[bool, ...], list[int]] = {}
    for index in range(len(frames)):
        row = frames.rows[index]
        alike.setdefault(tuple(task in row for task in frames.tasks), []).append(index)
    for indices in alike.values():
        for start in range(0, len(indices), size):
            yield collate([frames.sample(i) for i in indices[start : start + size]], frames.tasks)
