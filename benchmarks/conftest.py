"""Settings and fixtures of all tests, imported from `suite.py` because the benchmarks are in another folder."""

from suite import data_folder, fast_code, keep_room, pytest_configure, scratch_cache

__all__ = ["data_folder", "fast_code", "keep_room", "pytest_configure", "scratch_cache"]
