"""`list` and `pack`: what there is, and a run as it is shipped."""

import argparse

from musejax import commands, errors, zoo
from musejax.api import training


def list_(args: argparse.Namespace, rest: list[str]) -> int:
    """Presets and shipped runs."""
    entries = zoo.select(args.pattern, family=args.family, shipped=True if args.shipped else None)
    if args.json:
        commands.print_json([e._asdict() for e in entries])
        return 0
    if not entries:
        raise errors.UserError(f"no model matches {args.pattern!r}; `musejax list` shows all")
    width, family, codec = (max(len(getattr(e, field)) for e in entries) for field in ("name", "family", "codec"))
    print(f"{'name':{width}}  {'family':{family}}  {'codec':{codec}}  {'parameters':>10}  shipped")
    for e in entries:
        shipped = "yes" if e.shipped else ""
        print(f"{e.name:{width}}  {e.family:{family}}  {e.codec:{codec}}  {e.parameters:>10,}  {shipped}".rstrip())
    return 0


def pack(args: argparse.Namespace, rest: list[str]) -> int:
    """Copies a run as it is shipped."""
    training.pack(args.model, args.out, bits=args.bits, merge=args.merge, say=commands.say)
    return 0
