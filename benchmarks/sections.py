"""The command line shared by benchmarks that write a page in sections."""

import argparse
from collections.abc import Iterable
from pathlib import Path


def parse(parser: argparse.ArgumentParser, sections: Iterable[str], num: str) -> argparse.Namespace:
    """Adds `--only`, `--num` (`num` names what it counts) and `--out`, and parses the command line."""
    parser.add_argument("--only", nargs="*", choices=sections, metavar="SECTION", help="what to measure (default: all)")
    parser.add_argument("--num", type=int, help=f"number of {num}, for a trial")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent.parent, help="folder to write to")
    args = parser.parse_args()
    if args.num is not None and args.num < 4:
        parser.error(f"--num is {args.num}; it must be at least 4")
    return args
