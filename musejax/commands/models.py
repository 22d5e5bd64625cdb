"""`list` and `pack`: what there is, and a run as it is shipped."""

import argparse
from pathlib import Path

from musejax import commands, zoo


def list_(args: argparse.Namespace, rest: list[str]) -> int:
    """Presets and shipped runs."""
    if args.json:
        commands.print_json([e._asdict() for e in zoo.ENTRIES])
        return 0
    width = max(len(e.name) for e in zoo.ENTRIES)
    family = max(len(e.family) for e in zoo.ENTRIES)
    codec = max(len(e.codec) for e in zoo.ENTRIES)
    print(f"{'name':{width}}  {'family':{family}}  {'codec':{codec}}  {'parameters':>10}  shipped")
    for e in zoo.ENTRIES:
        shipped = "yes" if e.shipped else ""
        print(f"{e.name:{width}}  {e.family:{family}}  {e.codec:{codec}}  {e.parameters:>10,}  {shipped}".rstrip())
    return 0


def pack(args: argparse.Namespace, rest: list[str]) -> int:
    """Copies a run as it is shipped."""
    from musejax import packing, runs

    packing.pack(runs.load(zoo.find(args.model), commands.say), Path(args.out), args.bits, merge=args.merge)
    return 0
