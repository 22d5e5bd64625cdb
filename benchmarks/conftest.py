"""Settings and fixtures of all tests; `suite.py` has them, since those of the benchmarks lie elsewhere."""

from suite import data_folder, fast_code, keep_room, pytest_configure, scratch_cache

__all__ = ["data_folder", "fast_code", "keep_room", "pytest_configure", "scratch_cache"]
