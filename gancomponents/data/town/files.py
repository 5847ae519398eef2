"""A town on disk: frames, lists and a manifest, written atomically, resumed where a render was stopped."""

import hashlib
import json
import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from gancomponents.data.town.frames import DOMAINS, SPLITS, Job, list_rows
from gancomponents.data.town.pool import render_all
from gancomponents.data.town.render import RENDERER_VERSION
from gancomponents.errors import InputError, check_whole

__all__ = ["Summary", "cached_town", "check_parameters", "write_town"]

_MANIFEST = "town.json"
_MIN_SIZE, _MAX_SIZE = 32, 4096
_QUIET_SECONDS = 10.0


@dataclass(frozen=True)
class Summary:
    """What `write_town` did.

    Args:
        folder: where the town is.
        frames: frames in it.
        rendered: frames rendered by this call.
        seconds: that took.
    """

    folder: Path
    frames: int
    rendered: int
    seconds: float


def write_town(
    folder: str | os.PathLike[str],
    *,
    size: int = 128,
    count: int | Mapping[str, int] = 200,
    seed: int = 0,
    val_count: int | None = None,
    domains: Sequence[str] = DOMAINS,
    workers: int | None = None,
) -> Summary:
    """Render a town: frames, and JSON lists of them whose paths are relative to ``folder``.

    ``train_<domain>.json`` and ``val_<domain>.json`` list what training reads; ``truth_<split>_r.json`` the true
    labels of r, and ``truth_<split>_rf.json`` the dry twins of rf, row by row. The same arguments give the same
    bytes, however many workers there are. A render that was stopped continues.

    Args:
        folder: new, empty, or of a town with the same parameters.
        size: height and width of a frame, pixels.
        count: training frames of each domain, one number or one by domain; of kitti, a tenth of one number.
        seed: of the streets.
        val_count: held-out frames of each domain; an eighth of the training frames, at least 8, where None.
        domains: which to render.
        workers: processes; one a core where None.

    Raises:
        InputError: for a value out of range, or a folder that holds anything else.
    """
    parameters = _parameters(size, count, seed, val_count, domains)
    folder = Path(folder)
    manifest = _claim(folder, parameters)
    jobs = list(_jobs(parameters))
    begin = time.perf_counter()
    rendered = 0
    if not manifest.get("complete"):
        rendered = _render(folder, jobs, workers)
        for name, rows in _lists(jobs).items():
            _write(folder / name, "[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")
        _write_manifest(folder, parameters, complete=True)
    return Summary(folder, len(jobs), rendered, time.perf_counter() - begin)


def cached_town(
    *,
    size: int = 128,
    count: int | Mapping[str, int] = 200,
    seed: int = 0,
    val_count: int | None = None,
    domains: Sequence[str] = ("s", "r", "rf"),
    workers: int | None = None,
) -> Path:
    """The folder of a town in the user's cache, rendered at the first call; arguments as of `write_town`.

    The cache is ``$XDG_CACHE_HOME/gancomponents/town``, with ``~/.cache`` where that is unset.
    """
    parameters = _parameters(size, count, seed, val_count, domains)
    key = hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()[:12]
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = home / "gancomponents" / "town" / f"{size}px-{key}"
    return write_town(
        folder, size=size, count=count, seed=seed, val_count=val_count, domains=domains, workers=workers
    ).folder


def check_parameters(
    *, size: int, count: int | Mapping[str, int], seed: int = 0, val_count: int | None = None
) -> None:
    """Refuse what `cached_town` would refuse, without touching the disk.

    Raises:
        InputError: for a value out of range.

    >>> check_parameters(size=128, count=10)
    """
    domains = (
        [domain for domain in DOMAINS if domain in count] if isinstance(count, Mapping) else ("s", "r", "rf")
    )
    _parameters(size, count, seed, val_count, domains)


def _parameters(
    size: int, count: int | Mapping[str, int], seed: int, val_count: int | None, domains: Sequence[str]
) -> dict[str, Any]:
    check_whole("size", size, minimum=_MIN_SIZE, maximum=_MAX_SIZE)
    check_whole("seed", seed, minimum=0)
    if val_count is not None:
        check_whole("val_count", val_count, minimum=1)
    unknown = [domain for domain in domains if domain not in DOMAINS]
    if unknown or not domains:
        got, fix = ", ".join(map(repr, unknown)) or "none", "separate several by commas"
        raise InputError("domains", expected=f"some of {', '.join(DOMAINS)}", got=got, fix=fix)
    counts = {}
    for domain in (domain for domain in DOMAINS if domain in domains):
        asked = count.get(domain, 0) if isinstance(count, Mapping) else count
        train = check_whole("count", asked, minimum=1, fix=f"ask for one frame or more of {domain}")
        if domain == "kitti" and not isinstance(count, Mapping):
            train = max(4, train // 10)
        counts[domain] = {"train": train, "val": max(8, train // 8) if val_count is None else val_count}
    return {"renderer": RENDERER_VERSION, "size": size, "seed": seed, "counts": counts}


def _jobs(parameters: Mapping[str, Any]) -> Iterable[Job]:
    for domain, splits in parameters["counts"].items():
        for split in SPLITS:
            for index in range(splits[split]):
                yield Job(domain, split, index, parameters["size"], parameters["seed"])


def _lists(jobs: Iterable[Job]) -> dict[str, list[dict[str, str]]]:
    lists: dict[str, list[dict[str, str]]] = {}
    for job in jobs:
        row, truth = list_rows(job)
        lists.setdefault(f"{job.split}_{job.domain}.json", []).append(row)
        if truth is not None:
            lists.setdefault(f"truth_{job.split}_{job.domain}.json", []).append(truth)
    return lists


def _claim(folder: Path, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Make sure that ``folder`` is ours to write, and read its manifest."""
    expected, fix = "a new or empty folder, or a town with the same parameters", "choose another folder"
    if folder.exists() and not folder.is_dir():
        raise InputError(str(folder), expected=expected, got="a file", fix=fix)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        manifest = _read_manifest(folder)
        if manifest is None:
            if any(folder.iterdir()):
                raise InputError(str(folder), expected=expected, got="a folder with other files", fix=fix)
            manifest = _write_manifest(folder, parameters, complete=False)
    except OSError as error:
        got = error.strerror or str(error)
        raise InputError(str(folder), expected="a folder that can be written", got=got, fix=fix) from error
    if manifest["parameters"] != parameters:
        raise InputError(str(folder), expected=expected, got="a town with other parameters", fix=fix)
    return manifest


def _read_manifest(folder: Path) -> dict[str, Any] | None:
    path = folder / _MANIFEST
    if not path.exists():
        return None
    try:
        manifest = json.loads(path.read_text())
        return {"parameters": manifest["parameters"], "complete": manifest["complete"]}
    except (ValueError, KeyError, TypeError):
        fix = "remove the folder, or choose another"
        raise InputError(str(path), expected="a town's manifest", got="something else", fix=fix) from None


def _write_manifest(folder: Path, parameters: Mapping[str, Any], *, complete: bool) -> dict[str, Any]:
    manifest = {"parameters": dict(parameters), "complete": complete}
    _write(folder / _MANIFEST, json.dumps(manifest, indent=2) + "\n")
    return manifest


def _render(folder: Path, jobs: Sequence[Job], workers: int | None) -> int:
    terminal = sys.stderr.isatty()
    if not terminal:
        print(f"rendering {len(jobs)} frames of the Town into {folder}", file=sys.stderr, flush=True)
    rendered = 0
    begin = said = time.perf_counter()
    with tqdm(total=len(jobs), unit="frame", desc="rendering the Town", disable=not terminal) as bar:
        for done, fresh in enumerate(render_all(folder, jobs, workers), start=1):
            rendered += fresh
            bar.update()
            if not terminal and time.perf_counter() - said > _QUIET_SECONDS:
                said = time.perf_counter()
                print(f"{done} of {len(jobs)} frames", file=sys.stderr, flush=True)
    if not terminal:
        seconds = time.perf_counter() - begin
        print(f"rendered {rendered} frames in {seconds:.0f} s", file=sys.stderr, flush=True)
    return rendered


def _write(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    partial.write_text(text)
    os.replace(partial, path)


def describe(summary: Summary) -> str:
    """One line about a render, for people."""
    done = asdict(summary)
    speed = (
        f", {summary.rendered / summary.seconds:.1f} frames/s" if summary.rendered else ", all there before"
    )
    return "{frames} frames in {folder}: {rendered} rendered in {seconds:.0f} s".format(**done) + speed
