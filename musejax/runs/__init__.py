"""Run directories: what a run says about itself, how it is read back, and how it is packed."""

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
