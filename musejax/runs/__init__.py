"""Run directories: writing and reading their descriptions, loading trained models, and packing runs for shipping."""

from musejax.runs.directory import (
    FORMAT,
    Run,
    build,
    count,
    describe,
    load,
    parts,
    read_description,
    record,
    start,
    without,
    write_text,
)

__all__ = [
    "FORMAT",
    "Run",
    "build",
    "count",
    "describe",
    "load",
    "parts",
    "read_description",
    "record",
    "start",
    "without",
    "write_text",
]
