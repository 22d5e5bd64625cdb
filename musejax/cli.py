"""The command line: options are read here, without JAX or note_seq; the work is in musejax/commands/."""

import argparse
import contextlib
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Any, NoReturn

from musejax import __version__, errors
from musejax.api import completion, files, latents, measuring, training
from musejax.api import sampling as samples
from musejax.commands import flags
from musejax.options.sampling import Sampling

# What `argparse.ArgumentParser.add_subparsers` returns.
Commands = Any


class _Terminated(BaseException):
    """SIGTERM arrived: what was begun is taken back, as after Ctrl-C."""


class _Parser(argparse.ArgumentParser):
    """A parser whose mistakes are one line and exit status 2."""

    def error(self, message: str) -> NoReturn:
        """Says what was wrong and where help is."""
        print(f"{self.prog}: {message}; see `{self.prog} --help`", file=sys.stderr)
        raise SystemExit(2)


def _output(
    parser: argparse.ArgumentParser, formats: str | None, *, option: str = "--formats", what: str = "the pieces go"
) -> None:
    """Adds where music is written, and in which formats."""
    parser.add_argument(
        "--out",
        metavar="FILE|DIR",
        default=".",
        help=f"where {what}: a file such as F.mid, or a folder (default: this folder)",
    )
    parser.add_argument(
        option,
        help=f"for a folder: of mid, wav, mp3, png, musicxml, abc, with commas (default: {formats or 'as FILE'})",
    )
    _overwrite(parser)


def _overwrite(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist (default: refuse)")


def _as_written(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--as-written", action="store_true", help="leave repeats of a score as they are written (default: play them)"
    )


def _json(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--json", action="store_true", help=what)


def _model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a shipped run's name, or a run directory")


def _music_commands(commands: Commands) -> None:
    """Adds the commands that write music with a model."""
    for name, function, what in (
        ("sample", samples.sample, "write new music"),
        ("harmonize", completion.harmonize, "keep a melody, or one voice of a chorale, and write the other voices"),
        ("infill", completion.infill, "write some bars or voices of a piece again, and keep the rest"),
        ("accompany", completion.accompany, "keep tracks of a piece, and write the others around them"),
    ):
        p = commands.add_parser(name, help=what)
        _model(p)
        if name != "sample":
            p.add_argument("file", metavar="FILE", help="MIDI, MusicXML or ABC")
        flags.add(p, function)
        flags.add(p, Sampling)
        _json(p, "list the files and log-likelihoods as JSON")
        _output(p, "mid" if name == "sample" else None)
    for name, function, what, arguments in (
        ("reconstruct", latents.reconstruct, "encode and decode a piece with a VAE", ("file",)),
        ("humanize", latents.humanize, "give drums the velocities and the timing of a player", ("file",)),
        (
            "interpolate",
            latents.interpolate,
            "write pieces on the way from one to another in latent space",
            ("first", "last"),
        ),
        ("personalize", latents.personalize, "write pieces like some of your own with a VAE", ("files",)),
    ):
        p = commands.add_parser(name, help=what)
        _model(p)
        for file in arguments:
            if file == "files":
                text = "your pieces: MIDI, MusicXML or ABC, or folders of them"
                p.add_argument("files", metavar="FILE|DIR", nargs="+", help=text)
            else:
                nargs = "?" if len(arguments) > 1 else None
                p.add_argument(file, metavar=file.upper(), nargs=nargs, help="MIDI, MusicXML or ABC")
        flags.add(p, function)
        _output(p, "mid")


def _training_commands(commands: Commands) -> None:
    """Adds the commands that list, train and measure models."""
    p = commands.add_parser("list", help="presets and shipped runs")
    p.add_argument("pattern", metavar="GLOB", nargs="?", default="*", help="such as 'chorale-*' (default: all)")
    p.add_argument("--family", help="only those of a family, such as recurrent")
    p.add_argument("--shipped", action="store_true", help="only those with trained weights")
    _json(p, "an array of objects")

    p = commands.add_parser(
        "train",
        help="train an experiment, or continue it where it stopped",
        epilog="Any other option replaces a field of the experiment, such as --model.num-layers 4 or --data DIR; "
        "`musejax train CONFIG --fields` lists them.",
    )
    p.add_argument("config", metavar="CONFIG", help="a Python file that defines `config`, or the name of one of ours")
    p.add_argument("--init-from", metavar="MODEL", help="a shipped run's name, or a run directory, to start from")
    p.add_argument("--workdir", metavar="DIR", help="the run directory (default: runs/NAME)")
    p.add_argument("--fields", action="store_true", help="list the fields, their meanings and values, and stop")

    p = commands.add_parser("evaluate", help="likelihood under a published protocol")
    _model(p)
    flags.add(p, measuring.evaluate)
    _json(p, "print the figures as JSON")

    p = commands.add_parser("metrics", help="music statistics beside those of real music, and the copy check")
    p.add_argument("folder", metavar="DIR", help="a folder of generated music, or CORPUS:SPLIT")
    flags.add(p, measuring.metrics)
    _json(p, "print everything as JSON")

    p = commands.add_parser("pack", help="write a run as it is shipped: best checkpoint only, rounded weights")
    p.add_argument("model", metavar="MODEL", help="a run directory")
    p.add_argument("--out", metavar="DIR", required=True, help="a new directory")
    flags.add(p, training.pack)

    p = commands.add_parser("plot", help="draw the learning curves of runs")
    p.add_argument("runs", metavar="RUN", nargs="+", help="run directories")
    p.add_argument(
        "--out", metavar="FILE|DIR", help="a file ending in .png or .svg, or a folder (default: the one run directory)"
    )
    _overwrite(p)


def _file_commands(commands: Commands) -> None:
    """Adds the commands that read and write music files and data sets."""
    p = commands.add_parser("prepare", help="make a data set of a folder of MIDI, MusicXML or ABC, or of a corpus")
    p.add_argument("source", metavar="DIR", help="a folder, or a corpus by name")
    p.add_argument("--codec", required=True, help="the representation")
    p.add_argument("--out", metavar="FILE", required=True, help="the data set to write, ending in .npz")
    flags.add(p, files.prepare)
    _json(p, "print what was used and discarded as JSON")

    for name, what, to in (
        ("convert", "music files to MIDI, MusicXML or ABC", "mid"),
        ("render", "music files to sound and pictures", "wav,png"),
    ):
        p = commands.add_parser(name, help=what)
        p.add_argument("files", metavar="FILE", nargs="+", help="MIDI, MusicXML or ABC")
        _as_written(p)
        _output(p, to, option="--to", what="the results go")

    p = commands.add_parser("examples", help="write the pieces that the documentation uses")
    p.add_argument("folder", metavar="DIR", help="a folder; made when it is not there")
    _overwrite(p)


def parser() -> argparse.ArgumentParser:
    """Returns the parser of all commands."""
    top = _Parser(prog="musejax", description="A functional model zoo for symbolic music in JAX.")
    top.add_argument("--version", action="version", version=f"musejax {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Parser)
    _music_commands(commands)
    _training_commands(commands)
    _file_commands(commands)
    for command in commands.choices.values():
        command.add_argument(
            "--plugin", metavar="FILE", action="append", default=[],
            help="a Python file with a family, codec, corpus, metric or reward of your own; any number of times",
        )  # fmt: skip
    return top


def main(argv: Sequence[str] | None = None) -> None:
    """Runs one command; exit status 0, 1 (training failed), 2 (a mistake in what was given) or 128 + signal."""
    top = parser()
    args, rest = top.parse_known_args(argv)
    if rest and args.command != "train":
        top.error(f"{args.command} has no option {rest[0]!r}")
    if args.command == "train" and any(r in ("-h", "--help") for r in rest):
        args.fields, rest = True, []
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files need not be text
    with _heeding_termination():
        try:
            from musejax import commands

            raise SystemExit(commands.run(args.command, args, rest))
        except errors.OptionError as error:
            _fail(args.command, error.as_flag() if hasattr(args, error.option) else str(error), 2)
        except errors.UserError as error:
            _fail(args.command, str(error), 2)
        except errors.TrainingError as error:
            _fail(args.command, str(error), 1)
        except KeyboardInterrupt:
            _fail(args.command, "interrupted", 130)
        except _Terminated:
            _fail(args.command, "terminated", 143)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise SystemExit(141) from None
        except OSError as error:
            _fail(args.command, f"{error.filename or 'writing'}: {error.strerror or error}", 2)


@contextlib.contextmanager
def _heeding_termination() -> Iterator[None]:
    """Makes SIGTERM an exception meanwhile, unless somebody else handles it; a second one ends the process at once."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    signal.signal(number, signal.SIG_DFL)
    raise _Terminated


def _fail(command: str, message: str, status: int) -> NoReturn:
    print(f"musejax {command}: " + " ".join(message.split()), file=sys.stderr)
    raise SystemExit(status) from None


if __name__ == "__main__":
    main()
