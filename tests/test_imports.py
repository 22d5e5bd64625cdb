"""The rings: arrows point inwards, the core knows no files, and the quick commands import nothing heavy."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import musejax

ROOT = Path(musejax.__file__).parent
CORE = {
    "errors", "options", "requests", "stages", "array_types", "base", "theory", "vocabulary", "nn", "models",
    "decoding",
}  # fmt: skip
WRAPPING = {"registry", "pipeline", "training", "tuning", "evaluation", "runs"}
EDGE = {
    "music", "codecs", "corpora", "rendering", "zoo", "catalog", "cli", "commands", "experiments", "generation", "api",
    "reports", "__init__", "__main__", "configs", "shipped", "examples",
}  # fmt: skip
RINGS = {name: ring for ring, names in enumerate((CORE, WRAPPING, EDGE)) for name in names}
OUTSIDE_CORE = {"note_seq", "music21", "orbax", "grain", "symusic", "matplotlib", "tyro", "rich", "pathlib", "os", "io"}
OUTSIDE_WRAPPING = {"note_seq", "music21", "symusic", "matplotlib", "tyro"}


def _part(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def _imports(path: Path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path} imports relatively"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


FILES = sorted(p for p in ROOT.rglob("*.py") if _part(p) != "configs")


def test_tests_lie_where_the_package_has_what_they_test():
    folder = Path(__file__).parent
    folders = {p.parent.relative_to(folder) for p in folder.rglob("test_*.py")}
    assert not {str(f) for f in folders if not (ROOT / f).is_dir()}
    of_all = {"array_types", "cli", "contracts", "documentation", "extending", "imports", "install_hints", "shipped"}
    assert {p.stem.removeprefix("test_") for p in folder.glob("test_*.py")} == of_all


def test_every_part_has_a_ring():
    assert {_part(p) for p in FILES} <= set(RINGS)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_arrows_point_inwards(path):
    ring = RINGS[_part(path)]
    for name in _imports(path):
        top, _, rest = name.partition(".")
        if top == "musejax" and rest and rest.split(".")[0] in RINGS:
            target = rest.split(".")[0]
            assert RINGS[target] <= ring, f"{path.name} imports {target} from an outer ring"
        if ring == 0:
            assert top not in OUTSIDE_CORE, f"the core imports {top}"
        if ring == 1:
            assert top not in OUTSIDE_WRAPPING, f"the wrapping imports {top}"


def _edges() -> dict[tuple[str, str], list[str]]:
    """Imports from one folder or module of the package to another, with the files that hold them."""
    edges: dict[tuple[str, str], list[str]] = {}
    for path in FILES:
        for name in _imports(path):
            top, _, rest = name.partition(".")
            target = rest.split(".")[0]
            if top == "musejax" and target in RINGS and target != _part(path):
                edges.setdefault((_part(path), target), []).append(str(path.relative_to(ROOT)))
    return edges


def test_no_two_folders_import_each_other():
    edges = _edges()
    both = {pair: edges[pair] + edges[pair[::-1]] for pair in edges if pair[::-1] in edges and pair[0] < pair[1]}
    assert not both


def _loaded_after(code: str) -> set[str]:
    out = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint(' '.join(sys.modules), file=sys.stderr)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return set(out.stderr.split())


@pytest.mark.parametrize(
    "code",
    [
        "import musejax",
        "import musejax; musejax.list_models()",
        "from musejax import cli\ntry: cli.main(['--help'])\nexcept SystemExit: pass",
        "from musejax import cli\ntry: cli.main(['list'])\nexcept SystemExit: pass",
        "from musejax import cli\ntry: cli.main(['list', '--json'])\nexcept SystemExit: pass",
    ],
)
def test_quick_things_import_nothing_heavy(code):
    assert not {"jax", "note_seq", "music21", "matplotlib", "orbax", "grain"} & _loaded_after(code)


def test_the_core_and_training_run_without_the_edge():
    """A machine with jax, flax, optax, orbax and numpy alone trains from prepared arrays."""
    code = """
import importlib.abc
class Absent(importlib.abc.MetaPathFinder):
    names = {"note_seq", "music21", "grain", "symusic", "matplotlib", "tyro", "tensorboardX", "jaxtyping"}
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in self.names:
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Absent())
from musejax import models, runs
from musejax.decoding import autoregressive
from musejax.models import recurrent
from musejax.nn import losses
from musejax.training import loop, step, checkpoints
from musejax.pipeline import stream, batches, dataset
"""
    assert "musejax.training.loop" in _loaded_after(code)
