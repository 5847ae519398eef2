"""Conformance cases of `gancomponents.data`: lists, readers, samplers and loaders, none of tensors alone."""

from tests.case import Case, Elsewhere

LOADING: list[Case | Elsewhere] = [
    Elsewhere("data.CycleToLongest", "tests/data/test_mixing.py"),
    Elsewhere("data.DOMAINS", "tests/data/test_dataset.py"),
    Elsewhere("data.DomainDataset", "tests/data/test_dataset.py"),
    Elsewhere("data.DomainLoader", "tests/data/test_loader.py"),
    Elsewhere("data.DomainSampler", "tests/data/test_sampler.py"),
    Elsewhere("data.DomainSize", "tests/data/test_mixing.py"),
    Elsewhere("data.Draw", "tests/data/test_sampler.py"),
    Elsewhere("data.FileList", "tests/data/test_lists.py"),
    Elsewhere("data.Mixing", "tests/data/test_mixing.py"),
    Elsewhere("data.Permutation", "tests/data/test_permutation.py"),
    Elsewhere("data.SampleCache", "tests/data/test_cache.py"),
    Elsewhere("data.Schedule", "tests/data/test_mixing.py"),
    Elsewhere("data.ShuffledDomains", "tests/data/test_mixing.py"),
    Elsewhere("data.StopAtShortest", "tests/data/test_mixing.py"),
    Elsewhere("data.TemperatureMixing", "tests/data/test_mixing.py"),
    Elsewhere("data.Turn", "tests/data/test_mixing.py"),
    Elsewhere("data.WeightedMixing", "tests/data/test_mixing.py"),
    Elsewhere("data.read_kitti", "tests/data/test_kitti.py"),
    Elsewhere("data.read_list", "tests/data/test_lists.py"),
]
