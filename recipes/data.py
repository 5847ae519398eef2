"""Where a recipe's data comes from, and the loaders made of it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from gancomponents.data import DOMAINS, DomainDataset, DomainLoader, JointTransform
from gancomponents.errors import InputError, check_whole


class Source(Protocol):
    """Something that knows a folder of lists and images, and makes it when it is asked for."""

    def locate(self) -> Path:
        """The folder; whatever takes long (rendering, say) happens here, not before."""

    def training_rows(self, domain: str) -> int | None:
        """How many training frames a domain has, where that is known before the folder is looked at."""


class Folder:
    """A folder of the user's own.

    Args:
        path: the folder that holds the lists; environment variables and ``~`` are expanded.
    """

    def __init__(self, path: str):
        import os

        if not isinstance(path, str):
            raise ValueError(f"path must be a folder's name, got {path!r}: quote it")
        self.path = Path(os.path.expandvars(path)).expanduser()

    def training_rows(self, domain: str) -> int | None:
        return None

    def locate(self) -> Path:
        if not self.path.is_dir():
            fix = "bind data.Folder.path to the folder of your lists"
            raise InputError("data.Folder.path", expected="a folder", got=str(self.path), fix=fix)
        return self.path


class Town:
    """The embedded Town, rendered once into the user's cache folder.

    Args:
        size: height and width of its square frames, pixels.
        count: training frames of each domain, one number or one by domain.
        val_count: held-out frames of each domain.
        seed: of the streets.
    """

    def __init__(
        self, *, size: int = 128, count: int | Mapping[str, int] = 200, val_count: int = 32, seed: int = 0
    ):
        from gancomponents.data.town import check_parameters

        check_parameters(size=size, count=count, val_count=val_count, seed=seed)
        self.size, self.count, self.val_count, self.seed = size, count, val_count, seed

    def training_rows(self, domain: str) -> int | None:
        return self.count.get(domain, 0) if isinstance(self.count, Mapping) else self.count

    def locate(self) -> Path:
        from gancomponents.data.town import cached_town

        return cached_town(size=self.size, count=self.count, val_count=self.val_count, seed=self.seed)


class Data:
    """The lists of every domain, read at one size: training batches, held-out frames, truth for evaluation.

    Args:
        source: where the lists are.
        train: the training list of every domain.
        val: the held-out list of every domain.
        truth: lists in the rows of ``val`` with the true labels where ``val`` has pseudo-labels or none.
        tasks: the tasks that training reads from every domain, beside the image x.
        size: height and width of the network's square input, pixels.
        crop: with a frame's shorter side at ``size``, the square that is cropped at random for training, then
            resized to ``size``; None keeps the published ratio of 600 in 640.
        flip: probability of mirroring a training sample.
        colour_jitter: strength of the colour jitter on training images.
        target_stride: depth and labels are read at this fraction of ``size``, as the masker predicts them.
        batch_size: images of each domain in a batch, one number or one by domain.
        max_samples: use this many rows from the top of every training list; all where None.
        workers: loader processes; 0 loads in a thread beside the training step.
        stretch: stretch each image to the full range [-1, 1], as the published system does.
    """

    def __init__(
        self,
        source: Source,
        *,
        train: Mapping[str, str],
        val: Mapping[str, str],
        truth: Mapping[str, str] | None = None,
        tasks: Mapping[str, Sequence[str]] | None = None,
        size: int = 128,
        crop: int | None = None,
        flip: float = 0.5,
        colour_jitter: float = 0.0,
        target_stride: int = 4,
        batch_size: int | Mapping[str, int] = 4,
        max_samples: int | None = None,
        workers: int = 0,
        stretch: bool = False,
    ):
        for name, lists in {"train": train, "val": val, "truth": truth or {}}.items():
            if not isinstance(lists, Mapping) or not all(isinstance(x, str) for x in lists.values()):
                raise ValueError(f"{name} must be a list's name for each domain, got {lists!r}")
        if not hasattr(source, "locate"):
            raise ValueError(f"source must be one such as @data.Town() or @data.Folder(), got {source!r}")
        self.source = source
        self.train_lists, self.val_lists, self.truth_lists = dict(train), dict(val), dict(truth or {})
        self.tasks = {"s": ("s", "d", "m"), "r": ("m",), "rf": ("m",), **(tasks or {})}
        self.size, self.crop, self.flip = size, crop, flip
        self.colour_jitter, self.target_stride = colour_jitter, target_stride
        self.batch_size, self.max_samples = batch_size, max_samples
        self.workers, self.stretch = workers, stretch
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
        self._check_batches()
        self._augmentation()

    def _check_batches(self) -> None:
        sizes: Mapping[str, object]
        if isinstance(self.batch_size, Mapping):
            sizes = self.batch_size
        else:
            sizes = dict.fromkeys(self.train_lists, self.batch_size)
        if set(sizes) != set(self.train_lists):
            domains = list(self.train_lists)
            raise ValueError(f"batch_size must be one number, or one for each of {domains}, got {sizes}")
        for domain, asked in sizes.items():
            size = check_whole("batch_size", asked, minimum=1)
            rows = [n for n in (self.source.training_rows(domain), self.max_samples) if n is not None]
            if min(rows, default=size) < size:
                got = f"{min(rows)} training frames of {domain} for batches of {size}"
                fix = "lower data.Data.batch_size, or ask for more frames"
                raise InputError("batch_size", expected="at least one full batch", got=got, fix=fix)

    @property
    def domains(self) -> tuple[str, ...]:
        """The training domains, in the order in which every step visits them."""
        return tuple(self.train_lists)

    def prepare(self) -> None:
        """Find (or render) the data and check every file of every list, so that training meets no surprise.

        Raises:
            InputError: for the first list or file that is missing, unreadable or wrong.
        """
        self.folder = self.source.locate()
        self.loader(seed=0).check()
        for domain in self.val_lists:
            self.held_out(domain).check()
        if "rf" in self.val_lists and "rf" in self.truth_lists:  # otherwise they are the held-out ones
            self.flooded().check()

    def loader(self, seed: int) -> DomainLoader:
        """The training batches."""
        datasets = {domain: self._training_set(domain, seed) for domain in self.train_lists}
        return DomainLoader(datasets, self.batch_size, seed=seed, workers=self.workers)

    def held_out(self, domain: str) -> DomainDataset:
        """The held-out frames of a domain: whole, centred, with labels at full size; true ones where known."""
        if domain in self.truth_lists:
            return self._plain(
                self.truth_lists[domain], domain, stored_as="s"
            )  # true labels, depth in metres
        return self._plain(self.val_lists[domain], domain)

    def flooded(self, domain: str = "rf") -> DomainDataset:
        """The held-out flooded pictures, in the order of `held_out`."""
        return self._plain(self.val_lists[domain], domain)

    def training_frames(self, domain: str) -> DomainDataset:
        """The training frames as `held_out` would read them: no augmentation, labels at full size."""
        return self._plain(self.train_lists[domain], domain)

    def _training_set(self, domain: str, seed: int) -> DomainDataset:
        tasks = tuple(self.tasks[domain])
        path = self._list(self.train_lists[domain])
        return DomainDataset(
            path,
            domain,
            tasks=tasks,
            transform=self._augmentation(),
            stretch=self.stretch,
            max_samples=self.max_samples,
            seed=seed,
        )

    def _augmentation(self) -> JointTransform:
        small = -(-self.size // self.target_stride)
        return JointTransform(
            self.size,
            crop=self.crop,
            train=True,
            flip=self.flip,
            target_sizes={"d": small, "s": small},
            colour_jitter=self.colour_jitter,
        )

    def _plain(self, name: str, domain: str, stored_as: str | None = None) -> DomainDataset:
        transform = JointTransform(self.size, crop=self.size, train=False, target_sizes={})
        tasks = ("m",) if domain == "rf" else ("s", "d", "m")
        path = self._list(name)
        return DomainDataset(
            path, stored_as or domain, tasks=tasks, transform=transform, stretch=self.stretch
        )

    def _list(self, name: str) -> Path:
        if self.folder is None:
            raise RuntimeError("call prepare() before reading any data")
        path = self.folder / name
        if not path.is_file():
            fix = "bind data.Data.train, val and truth to lists that are there; truth may be {}"
            raise InputError(str(path), expected="a list of files", got="no such file", fix=fix)
        return path
