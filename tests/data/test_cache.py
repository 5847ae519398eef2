import json
import multiprocessing
import os
import re
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
import torch

from gancomponents.data import (
    COLOURS,
    ByMode,
    Compose,
    DepthTarget,
    DomainDataset,
    DomainLoader,
    JointTransform,
    RandomCrop,
    RandomHorizontalFlip,
    Resize,
    SampleCache,
    encode_simulator_depth,
    write_image,
)
from gancomponents.errors import InputError

JOINT = JointTransform(24, crop=20, colour_jitter=0.3)


def tree(folder, count=3):
    random, rows = np.random.default_rng(0), []
    for number in range(count):
        pictures = {
            "x": random.integers(20, 200, (40, 50, 3), dtype=np.uint8),
            "s": COLOURS["s"][random.integers(0, 11, (40, 50))],
            "d": encode_simulator_depth(random.uniform(0, 900, (40, 50))),
            "m": random.integers(0, 2, (40, 50)).astype(np.uint8) * 255,
        }
        for task, picture in pictures.items():
            write_image(folder / f"{number}_{task}.png", picture)
        rows.append({task: f"{number}_{task}.png" for task in pictures})
    (folder / "train.json").write_text(json.dumps(rows))
    return folder / "train.json"


def dataset(source, cache=None, transform=JOINT, **options):
    return DomainDataset(
        source, "s", tasks=["s", "d", "m"], transform=transform, stretch=True, cache=cache, **options
    )


def entries(cache):
    return sorted(cache.folder.glob("*/*.safetensors"))


def alike(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[task], second[task]) for task in first)


TRANSFORMS = {
    "training": JOINT,
    "evaluation": JointTransform(24, train=False),
    "smooth depth": Compose([Resize(30, smooth=("x", "d")), RandomHorizontalFlip(), RandomCrop(20)]),
    "crop first": Compose([RandomCrop(30), RandomHorizontalFlip(), Resize({"default": 20, "s": 7})]),
    "nested": Compose([ByMode(train=JOINT), Resize({"s": 5})]),
    "somebody's own": lambda fields, generator: JOINT(fields, generator),
}


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("depth", [DepthTarget("s"), DepthTarget("s", log=True, stretch=True)])
def test_samples_are_the_same_bits(name, depth, tmp_path):
    source, transform = tree(tmp_path), TRANSFORMS[name]
    whole = dataset(source, transform=lambda *given: transform(*given), depth=depth)  # decodes every pixel
    plain = dataset(source, transform=transform, depth=depth)
    cached = dataset(source, SampleCache(tmp_path / "cache"), transform, depth=depth)
    for _ in range(2):
        for index in range(3):
            for epoch in range(4):
                expected = whole.sample(index, epoch)
                assert alike(plain.sample(index, epoch), expected)
                assert alike(cached.sample(index, epoch), expected)


def test_later_epochs_open_no_file(tmp_path, monkeypatch):
    cached = dataset(tree(tmp_path), SampleCache(tmp_path / "cache"))
    before = [cached.sample(0, epoch) for epoch in range(8)]
    assert len(entries(cached.cache)) == 2  # mirrored and not
    monkeypatch.setattr(cached._reader, "open", None)
    assert all(alike(cached.sample(0, epoch), before[epoch]) for epoch in range(8))


def test_changed_files_and_settings_are_read_anew(tmp_path):
    source, cache = tree(tmp_path), SampleCache(tmp_path / "cache")
    still = JointTransform(24, flip=0)
    old = dataset(source, cache, still).sample(0)
    write_image(tmp_path / "0_s.png", COLOURS["s"][np.full((40, 50), 6)])
    new = dataset(source, cache, still).sample(0)
    assert (new["s"] == 6).all()
    assert not alike(old, new)
    assert len(entries(cache)) == 1  # in place of the old one
    status = os.stat(tmp_path / "0_x.png")
    os.utime(tmp_path / "0_x.png", ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert alike(dataset(source, cache, still).sample(0), new)
    assert len(entries(cache)) == 1
    for number, others in enumerate(
        [
            {"transform": JointTransform(25, flip=0)},
            {"transform": JointTransform(24, flip=0, align_corners=True)},
            {"transform": JointTransform(24, flip=0, nearest_exact=True)},
            {"nearest_colours": True},
            {"depth": DepthTarget("s", log=True)},
            {"depth": DepthTarget("s", nearest=2.0)},
        ]
    ):
        options = {"transform": still, **others}
        assert alike(dataset(source, cache, **options).sample(0), dataset(source, **options).sample(0))
        assert len(entries(cache)) == 2 + number


def test_damaged_entries_are_written_again(tmp_path):
    cached = dataset(tree(tmp_path), SampleCache(tmp_path / "cache"), JointTransform(24, flip=0))
    expected = cached.sample(0)
    (entry,) = entries(cached.cache)
    whole = entry.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    spoilt = [whole[:at] + b"!" + whole[at + 1 :] for at in range(0, header, 7)]
    for damaged in (b"", b"\x80\x04.", whole[:-9], whole[:50], *spoilt):
        entry.write_bytes(damaged)
        for _ in range(2):
            assert alike(cached.sample(0), expected)
        assert len(entry.read_bytes()) == len(whole)


def test_the_limit_holds_and_is_told_once(tmp_path):
    source, folder = tree(tmp_path, count=8), tmp_path / "cache"
    plain, still = dataset(source), JOINT
    limit = 20_000
    cache = SampleCache(folder, limit=limit)
    cached = dataset(source, cache, still)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for epoch in range(6):
            for index in range(8):
                assert alike(cached.sample(index, epoch), plain.sample(index, epoch))
    (warning,) = told
    assert re.search(r"cache holds \d+ of 20000 bytes: .* raise the limit, or empty", str(warning.message))
    taken = sum(entry.stat().st_size for entry in entries(cache))
    assert limit / 2 < taken <= limit
    again = SampleCache(folder, limit=limit)
    (folder / "total").write_text("nonsense")
    with pytest.warns(UserWarning, match=f"cache holds {taken} of"):
        again.put("new", "", {"x": torch.zeros(limit - taken)})
    SampleCache(folder, limit=2 * limit).put("new", "", {"x": torch.zeros(100)})
    assert len(entries(cache)) == len(entries(again)) > 0
    assert again.get("new", "") is not None


def test_what_a_dead_writer_left_is_removed(tmp_path):
    cache = SampleCache(tmp_path)
    cache.put("a", "1", {"x": torch.zeros(2)})
    (entry,) = entries(cache)
    partial_ = entry.with_name(f".{entry.name}.1")
    partial_.write_bytes(b"half")
    SampleCache(tmp_path).put("b", "1", {"x": torch.zeros(2)})
    assert not partial_.exists()
    assert cache.get("a", "1") is not None


def fill(folder, limit, start):
    warnings.simplefilter("ignore")
    cache = SampleCache(folder, limit=limit)
    for number in range(start, start + 40):
        cache.put(str(number), "", {"x": torch.full((100,), number)})
        kept = cache.get(str(number), "")
        assert kept is None or (kept["x"] == number).all()


def test_processes_and_threads_share_a_folder(tmp_path):
    work = partial(fill, tmp_path / "cache", 40_000)
    with multiprocessing.get_context("spawn").Pool(2) as pool, ThreadPoolExecutor(2) as threads:
        others = pool.map_async(work, [0, 20])
        list(threads.map(work, [10, 30]))
        others.get(60)
    cache = SampleCache(tmp_path / "cache")
    sizes = [entry.stat().st_size for entry in entries(cache)]
    assert 30_000 < sum(sizes) <= 40_000
    assert int((cache.folder / "total").read_text()) == sum(sizes)
    assert not list(cache.folder.glob("*/.*"))


def test_workers_share_it(tmp_path):
    source = tree(tmp_path, count=8)
    expected = list(DomainLoader({"s": dataset(source)}, 2).iterate(0, 8))
    cached = dataset(source, SampleCache(tmp_path / "cache"))
    for workers in (2, 0):
        found = list(DomainLoader({"s": cached}, 2, workers=workers).iterate(0, 8))
        for batch, other in zip(found, expected, strict=True):
            assert alike({t: batch["s"][t] for t in "xsdm"}, {t: other["s"][t] for t in "xsdm"})
    assert len(entries(cached.cache)) >= 8


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file.*expected a file that can be written"):
        SampleCache(tmp_path / "file" / "cache")
    with pytest.raises(InputError, match="limit: expected a whole number >= 1, got 0"):
        SampleCache(tmp_path, limit=0)
    with pytest.raises(ValueError, match="depth must be a DepthTarget with a cache"):
        dataset(tree(tmp_path), SampleCache(tmp_path / "cache"), depth=lambda stored: stored[..., 0])
