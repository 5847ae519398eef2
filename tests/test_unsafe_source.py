"""The source itself: nothing unpickles, evaluates what it reads, or reads past the checks of this project."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

_IMPORTS = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}
_BUILTINS = {"eval", "exec", "compile", "__import__"}
_CALLS = {
    "os.system", "os.popen", "tempfile.mktemp", "np.load", "numpy.load", "cv2.imread", "np.fromfile",
    "yaml.load", "yaml.load_all", "yaml.full_load", "yaml.unsafe_load", "pd.read_pickle",
}  # fmt: skip
_LOADERS = {"Loader", "FullLoader", "UnsafeLoader", "CLoader", "CFullLoader", "CUnsafeLoader"}
#: What is right in one place alone.
_ALLOWED = {
    "torch.load": "gancomponents/_tensors.py",
    "load_file": "gancomponents/_tensors.py gancomponents/training/checkpoint.py",
    "imdecode": "gancomponents/data/_files.py gancomponents/data/town/sensor.py",
}


def unsafe(source: str, path: str = "") -> Iterator[str]:
    """What a file does that could run what it reads, or read it past our checks."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] in _IMPORTS)
        elif isinstance(node, ast.ImportFrom):
            yield from (node.module for _ in "1" if (node.module or "").split(".")[0] in _IMPORTS)
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "yaml" and node.attr in _LOADERS:
            yield f"yaml.{node.attr}"
        elif isinstance(node, ast.Call):
            name, options = ast.unparse(node.func), {k.arg: ast.unparse(k.value) for k in node.keywords}
            if name in _CALLS or (isinstance(node.func, ast.Name) and name in _BUILTINS):
                yield name
            yield from (
                n
                for n, files in _ALLOWED.items()
                if f".{name}".endswith(f".{n}") and path not in files.split()
            )
            if name == "torch.load" and options.get("weights_only") != "True":
                yield "torch.load without weights_only"
            if options.get("allow_pickle", "False") != "False" or options.get("shell", "False") != "False":
                yield f"{name} with allow_pickle or shell"


@pytest.mark.parametrize(
    "source",
    [
        "eval('1')", "exec(text)", "import pickle", "from pickle import loads", "yaml.load(text, yaml.SafeLoader)",
        "x = yaml.UnsafeLoader", "np.load(path)", "read_array(file, allow_pickle=True)", "os.system('ls')",
        "subprocess.run('ls', shell=True)", "tempfile.mktemp()", "torch.load(path, weights_only=True)",
        "safetensors.torch.load_file(path)", "cv2.imdecode(data, 1)", "cv2.imread(path)",
    ],
)  # fmt: skip
def test_what_is_unsafe_is_seen(source: str) -> None:
    assert list(unsafe(source))


@pytest.mark.parametrize("folder", ["gancomponents", "recipes", "benchmarks", "docs"])
def test_no_source_does_what_is_unsafe(folder: str) -> None:
    paths = sorted((ROOT / folder).rglob("*.py"))
    assert paths
    found = {str(path): list(unsafe(path.read_text(), path.relative_to(ROOT).as_posix())) for path in paths}
    assert {path: each for path, each in found.items() if each} == {}
