"""What every test has: strict JAX, a cache of its own, and the benchmark data where they are."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

os.environ.setdefault("JAX_PLATFORMS", "cpu")
# One device, also in processes that tests start: what is cut over several has tests of its own, and compiles longer.
ONE_DEVICE = "--xla_force_host_platform_device_count=1"
# XLA's older emitters of fused operations compile in half the time.
QUICK = "--xla_cpu_use_fusion_emitters=false"
# Annotations are checked in every call. `int` passes for `float`, as it does for static type checkers.
CHECKER = "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"
install_import_hook(["musejax.nn", "musejax.models", "musejax.decoding"], CHECKER)
# How many tests of this process have ended.
ENDED = pytest.StashKey[int]()


def _is_known(flag):
    """Whether the installed XLA has a flag; it ends a process that gives it another."""
    environment = os.environ | {"XLA_FLAGS": flag}
    return not subprocess.run(
        [sys.executable, "-c", "import jax; jax.devices()"], env=environment, capture_output=True
    ).returncode


if "XLA_FLAGS" not in os.environ:
    os.environ["XLA_FLAGS"] = f"{ONE_DEVICE} {QUICK}" if _is_known(QUICK) else ONE_DEVICE


def pytest_configure(config):
    import jax

    jax.config.update("jax_numpy_rank_promotion", "raise")
    # Tests compile far more than they run: XLA's code is slower this way, and there in two thirds of the time.
    jax.config.update("jax_disable_most_optimizations", True)


@pytest.fixture(scope="session", autouse=True)
def scratch_cache(tmp_path_factory):
    """Corpora are read once a test session, into a cache that is thrown away, unless one is given."""
    if "MUSEJAX_CACHE" not in os.environ:
        os.environ["MUSEJAX_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(autouse=True)
def keep_room(request):
    """Compiled code is let go before the process has as many memory maps as the system allows (65,530 on Linux)."""
    yield
    request.session.stash[ENDED] = request.session.stash.get(ENDED, 0) + 1
    maps = Path("/proc/self/maps")
    if request.session.stash[ENDED] % 10 == 0 and maps.exists() and maps.read_text().count("\n") > 30_000:
        import jax

        jax.clear_caches()


@pytest.fixture(scope="module")
def fast_code():
    """For modules whose tests run compiled code for long: XLA optimises it as users have it."""
    import jax

    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", True)


@pytest.fixture(scope="session")
def data_folder():
    """The folder of the benchmark files."""
    folder = os.environ.get("MUSEJAX_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("MUSEJAX_DATA does not name a folder with the benchmark files")
    return Path(folder)
