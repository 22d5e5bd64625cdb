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
from typing import NoReturn

from musejax import __version__, errors
from musejax.theory.sixteenths import BAR


class _Terminated(BaseException):
    """SIGTERM arrived: what was begun is taken back, as after Ctrl-C."""


class _Parser(argparse.ArgumentParser):
    """A parser whose mistakes are one line and exit status 2."""

    def error(self, message: str) -> NoReturn:
        """Says what was wrong and where help is."""
        print(f"{self.prog}: {message}; see `{self.prog} --help`", file=sys.stderr)
        raise SystemExit(2)


def _drawing(parser: argparse.ArgumentParser) -> None:
    """What all commands that draw music take."""
    parser.add_argument("--num", type=int, default=1, help="number of pieces (default: 1)")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same bytes (default: 0)")
    parser.add_argument("--temperature", type=float, default=1.0, help="below 1 more cautious (default: 1)")
    parser.add_argument("--top-k", type=int, help="keep the k likeliest tokens")
    parser.add_argument("--top-p", type=float, help="keep the likeliest tokens up to this probability")
    parser.add_argument("--min-p", type=float, help="keep tokens at least this many times as likely as the likeliest")
    parser.add_argument("--beam", metavar="W", type=int, help="search for the likeliest piece with W beams; draw none")
    parser.add_argument("--scale", metavar="TONIC[:SCALE]", help="keep to a scale, such as G or A:minor")
    parser.add_argument(
        "--key",
        metavar="TONIC[:MODE]",
        help="key signature, such as G or C:minor, where a model reads it and the file has none",
    )
    parser.add_argument("--pitches", metavar="LOW-HIGH", help="keep to a range of MIDI pitches, such as 48-83")
    parser.add_argument("--chords", metavar="CHORDS", help='a progression, such as "C G Am F", over and over')
    parser.add_argument("--chord-frames", type=int, default=BAR, help="frames of each chord (default: %(default)s)")
    parser.add_argument("--density", metavar="LOW-HIGH", help="onsets in a bar, such as 4-8")
    parser.add_argument(
        "--guidance", metavar="SCALE", type=float, help="above 1 follows key and beat more, where a model learnt it"
    )
    parser.add_argument("--sampler", help="of a Coconet: gibbs, span, contiguous, ancestral or upsampling")
    parser.add_argument("--steps", type=int, help="how often such a model's net is asked; more are slower and better")
    parser.add_argument(
        "--allow", metavar="PLACE:PITCHES,...", help="pitches that alone may sound there, such as bass@3-4:36-48"
    )
    parser.add_argument("--forbid", metavar="PLACE:PITCHES,...", help="pitches that may not, such as alto@5.2:60,6:72")
    parser.add_argument(
        "--fermatas", metavar="BAR.BEAT,...", help="where they stand, such as 2.3,4.3, for a model that reads them"
    )
    parser.add_argument(
        "--width",
        type=int,
        help="pieces drawn together; part of what a seed stands for (default: 8; of a Coconet or DeepBach 1)",
    )
    parser.add_argument("--json", action="store_true", help="list the files and log-likelihoods as JSON")


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
        option, help=f"for a folder: of mid, wav, png, musicxml, abc, with commas (default: {formats or 'as FILE'})"
    )
    _overwrite(parser)


def _overwrite(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist (default: refuse)")


def _as_written(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--as-written", action="store_true", help="leave repeats of a score as they are written (default: play them)"
    )


def _sampling(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a shipped run's name, or a run directory")
    _drawing(parser)
    parser.add_argument(
        "--primer", metavar="FILE", help="MIDI, MusicXML or ABC to continue; its notes, tempos, metre and key are kept"
    )
    parser.add_argument(
        "--length",
        type=int,
        help="most frames (16ths, or events of a performance); a piece that has not ended by then is drawn again",
    )
    parser.add_argument("--min-length", type=int, help="frames before which a piece may not end (default: 8 bars)")
    parser.add_argument("--qpm", type=float, help="quarter notes a minute (default: 100); a primer's own tempos hold")
    _as_written(parser)
    _output(parser, "mid")


def _steering(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a shipped run's name, or a run directory")
    parser.add_argument("file", metavar="FILE", help="MIDI, MusicXML or ABC")
    _as_written(parser)
    _drawing(parser)
    _output(parser, None)


def _through_latents(parser: argparse.ArgumentParser, files: Sequence[str]) -> None:
    """What the commands of models with latent vectors take."""
    parser.add_argument("model", metavar="MODEL", help="a shipped run's name, or a run directory")
    for file in files:
        nargs = "?" if len(files) > 1 else None
        parser.add_argument(file, metavar=file.upper(), nargs=nargs, help="MIDI, MusicXML or ABC")
    if files:
        _as_written(parser)
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same bytes (default: 0)")
    parser.add_argument("--temperature", type=float, default=1.0, help="below 1 more cautious (default: 1)")
    _output(parser, "mid")


def _attributes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--attributes",
        metavar="TRACK.ATTRIBUTE=BIN,...",
        help="of melody, bridge, piano and density (0-9), polyphony, duration (0-5), such as piano.density=8",
    )


def parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    top = _Parser(prog="musejax", description="A functional model zoo for symbolic music in JAX.")
    top.add_argument("--version", action="version", version=f"musejax {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Parser)

    p = commands.add_parser("list", help="presets and shipped runs")
    p.add_argument("pattern", metavar="GLOB", nargs="?", default="*", help="such as 'chorale-*' (default: all)")
    p.add_argument("--family", help="only those of a family, such as recurrent")
    p.add_argument("--shipped", action="store_true", help="only those with trained weights")
    p.add_argument("--json", action="store_true", help="an array of objects")

    p = commands.add_parser(
        "train",
        help="train an experiment, going on where it stopped",
        epilog="Any other option overrides a field of the experiment, such as --model.num-layers 4 or --data DIR; "
        "`musejax train CONFIG --fields` lists them.",
    )
    p.add_argument("config", metavar="CONFIG", help="a Python file that defines `config`, or the name of one of ours")
    p.add_argument("--init-from", metavar="MODEL", help="a shipped run's name, or a run directory, to start from")
    p.add_argument("--workdir", metavar="DIR", help="the run directory (default: runs/NAME)")
    p.add_argument("--fields", action="store_true", help="list the fields that can be overridden, and stop")

    p = commands.add_parser("sample", help="write music with a trained model")
    _sampling(p)
    p.add_argument(
        "--bars",
        type=int,
        help="bars of 4/4, for a model of several tracks (default: 16) or one that can be told how long a piece is",
    )
    _attributes(p)

    p = commands.add_parser("harmonize", help="keep a melody, or one voice of a chorale, and write the others")
    _steering(p)
    p.add_argument("--voice", default="soprano", help="what is kept: soprano, alto, tenor or bass (default: soprano)")

    p = commands.add_parser("infill", help="write some bars or voices of a piece anew, and keep the rest")
    _steering(p)
    p.add_argument(
        "--bars",
        metavar="A-B",
        help="such as 5-8 or 0-2,12a: the numbers that are printed in a score, each time that a bar is played; without "
        "them 1 is the first whole bar (default: all)",
    )
    p.add_argument("--voices", metavar="V,V", help="of soprano, alto, tenor, bass (default: all)")
    p.add_argument("--keep", metavar="PLACE,...", help="notes there that are kept, such as soprano@5.1,bass@6-7")
    p.add_argument("--vary", metavar="SHARE", type=float, help="draw only a share of the notes anew, such as .3")
    p.add_argument("--then", metavar="FILE", help="a second phrase, to which bars are drawn that lead there")
    p.add_argument("--gap", type=int, default=1, help="how many bars lead to --then (default: 1)")

    p = commands.add_parser("accompany", help="keep tracks of a piece, and write the others around them")
    _steering(p)
    p.add_argument("--tracks", help="what is kept: of melody, bridge, piano (default: melody, or the track of a GAN)")
    _attributes(p)

    for name, what, files in (
        ("reconstruct", "write a piece as a VAE remembers it", ("file",)),
        ("humanize", "write drums as a VAE of grooves would play them", ("file",)),
        ("interpolate", "write pieces on the way from one to another in latent space", ("first", "last")),
    ):
        p = commands.add_parser(name, help=what)
        _through_latents(p, files)
    p.add_argument("--num", type=int, default=9, help="number of pieces, both ends among them (default: 9)")
    p.add_argument("--latent", metavar="NAME", help="of a GAN, without files: which latent vector moves (default: all)")

    p = commands.add_parser("personalize", help="write pieces like some of your own with a VAE that stays as it is")
    _through_latents(p, ())
    p.add_argument(
        "files", metavar="FILE|DIR", nargs="+", help="your pieces: MIDI, MusicXML or ABC, or folders of them"
    )
    p.add_argument("--num", type=int, default=8, help="number of pieces (default: 8)")
    p.add_argument("--steps", type=int, default=500, help="of fitting a small model to them (default: 500)")

    p = commands.add_parser("evaluate", help="likelihood under a published protocol")
    p.add_argument("model", metavar="MODEL", help="a shipped run's name, or a run directory")
    p.add_argument("--data", help="a corpus, folder or prepared data set (default: what it was trained on)")
    p.add_argument("--split", default="test", help="train, valid or test (default: test)")
    p.add_argument(
        "--samples", type=int, default=64, help="draws a piece, where a likelihood is estimated (default: 64)"
    )
    p.add_argument("--seed", type=int, default=0, help="of these draws (default: 0)")
    p.add_argument("--rules", action="store_true", help="RL Tuner's table instead, of melodies that it draws")
    p.add_argument("--num", type=int, help="of these melodies (default: 2000); of a GAN's samples (1000)")
    p.add_argument("--given", metavar="V,V", help="voices of a chorale that are given; the others are scored")
    p.add_argument(
        "--frames-per-bar", type=int, help="of a run on windows of bars: frames of a bar, 12 for 3/4 (default: of 4/4)"
    )
    p.add_argument("--json", action="store_true", help="print the figures as JSON")

    p = commands.add_parser("metrics", help="music statistics beside those of real music, and the copy check")
    p.add_argument("folder", metavar="DIR", help="a folder of generated music, or CORPUS:SPLIT")
    p.add_argument("--reference", metavar="DIR", required=True, help="held-out real music: a folder, or CORPUS:SPLIT")
    p.add_argument("--training", metavar="DIR", help="what the model has seen (default: the reference corpus's train)")
    p.add_argument("--codec", help="the codec through which a corpus is read (default: what is usual for the corpus)")
    p.add_argument("--grid", type=int, default=4, help="frames in a quarter note (default: 4)")
    p.add_argument("--json", action="store_true", help="print everything as JSON")

    p = commands.add_parser("prepare", help="make a data set of a folder of MIDI, MusicXML or ABC, or of a corpus")
    p.add_argument("source", metavar="DIR", help="a folder, or a corpus by name")
    p.add_argument("--codec", required=True, help="the representation")
    p.add_argument("--out", metavar="FILE", required=True, help="the data set to write, ending in .npz")
    _overwrite(p)
    p.add_argument("--bars", type=int, help="cut it into windows of so many bars, none of them twice")
    p.add_argument("--frames-per-bar", type=int, help="frames of a bar, 12 for 3/4 in 16ths (default: those of 4/4)")
    p.add_argument("--json", action="store_true", help="print what was used and discarded as JSON")

    for name, what, to in (
        ("convert", "music files to MIDI or MusicXML", "mid"),
        ("render", "music files to sound and pictures", "wav,png"),
    ):
        p = commands.add_parser(name, help=what)
        p.add_argument("files", metavar="FILE", nargs="+", help="MIDI, MusicXML or ABC")
        _as_written(p)
        _output(p, to, option="--to", what="the results go")

    p = commands.add_parser("pack", help="copy a run as it is shipped: best checkpoint only, rounded")
    p.add_argument("model", metavar="MODEL", help="a run directory")
    p.add_argument("--out", metavar="DIR", required=True, help="a new directory")
    p.add_argument("--bits", type=int, choices=(8, 16), default=16, help="of a weight: 16 for bfloat16, or 8")
    p.add_argument("--merge", action="store_true", help="of adapters: as a run that needs no other (default: alone)")

    p = commands.add_parser("plot", help="draw the learning curves of runs")
    p.add_argument("runs", metavar="RUN", nargs="+", help="run directories")
    p.add_argument(
        "--out", metavar="FILE|DIR", help="a file ending in .png or .svg, or a folder (default: the one run directory)"
    )
    _overwrite(p)

    p = commands.add_parser("examples", help="write the pieces that the documentation uses")
    p.add_argument("folder", metavar="DIR", help="a folder; made when it is not there")
    _overwrite(p)

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
