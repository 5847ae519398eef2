import subprocess
import sys

import pytest

import gancomponents.data

HEAVY = ("torchvision", "cv2", "gancomponents.data.town", "yaml")


def loaded_after(statement):
    code = f"import sys; {statement}; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return set(done.stdout.split())


def test_tables_cost_neither_torch_nor_opencv():
    modules = loaded_after(
        "import gancomponents.data.labels, gancomponents.data.depth, gancomponents.data.images"
    )
    assert not modules & {"torch", *HEAVY}


def test_everything_costs_only_torch():
    modules = loaded_after("from gancomponents.data import *; import gancomponents.data.loader")
    assert "torch" in modules
    assert not modules & set(HEAVY)


def test_public_names_are_there_and_sorted():
    names = gancomponents.data.__all__
    assert len(set(names)) == len(names)
    for name in names:
        assert getattr(gancomponents.data, name) is not None
        assert name in dir(gancomponents.data)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = gancomponents.data.nothing
