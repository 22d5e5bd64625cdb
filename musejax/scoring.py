"""`musejax evaluate`: a run, a corpus, and whether the one may be scored on the other."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from musejax import corpora, errors, preparation, runs
from musejax.codecs import chorale
from musejax.evaluation import likelihood
from musejax.pipeline import windows


def _check_overlap(trained: str, data: str, name: str) -> None:
    """Refuses to score a model on a corpus that shares music with its own.

    A published split of the run's own corpus is always scorable.
    """
    if trained == data or trained not in corpora.CORPORA:
        return
    if data in corpora.CORPORA[trained].overlaps or (
        data in corpora.CORPORA and trained in corpora.CORPORA[data].overlaps
    ):
        raise errors.UserError(
            f"{name} was trained on {trained}, which shares music with {data}: its likelihood there would mean "
            f"nothing; evaluate it with --data {trained}"
        )


def _streams(given: Sequence[str]) -> list[int]:
    """The streams of voices by name.

    Raises:
        errors.UserError: A name is unknown, or nothing is left.
    """
    names = [voice.lower() for voice in chorale.VOICES]
    for voice in given:
        if voice not in names:
            raise errors.UserError(f"--given {voice}: the voices are {', '.join(names)}")
    streams = sorted({names.index(voice) for voice in given})
    if len(streams) == len(names):
        raise errors.UserError(f"--given {','.join(given)}: no voice is left to score")
    return streams


def evaluate(
    path: Path,
    name: str,
    data: str | None,
    split: str,
    say: Callable[[str], None],
    *,
    samples: int = 64,
    seed: int = 0,
    given: Sequence[str] = (),
) -> dict[str, Any]:
    """The figures of a run on a split, with the protocol, the kind and the interval.

    Args:
        path: The run directory.
        name: What the user called it.
        data: A corpus, folder or prepared data set; None for the run's own corpus.
        split: `train`, `valid` or `test`.
        say: Is told of damaged checkpoints and of long work.
        samples: Draws a piece, for a model without an exact likelihood.
        seed: Of the draws.
        given: Voices of a chorale that are given; the likelihood is that of the others.

    Raises:
        errors.UserError: The model cannot be scored on these data.
    """
    description = runs.read_description(path)
    source = data or description["data"]["source"]
    _check_overlap(description["data"]["source"], source, name)
    codec = description["vocabulary"]["name"]
    if source in corpora.CORPORA and corpora.CORPORA[source].codec not in (None, codec):
        raise errors.UserError(
            f"{source} comes as {corpora.CORPORA[source].codec}, but {name} reads {codec}; it cannot be scored there"
        )
    streams = _streams(given)
    if given and description["vocabulary"]["streams"] != len(chorale.VOICES):
        raise errors.UserError(f"--given {','.join(given)}: {name} reads {codec}, which has no such voices")
    run = runs.load(path, say)
    dataset = preparation.prepare(source, codec, say)
    _check_overlap(description["data"]["source"], dataset.source, name)  # a prepared file says where it comes from
    if run.model.score is None:
        raise errors.UserError(f"{name} has no likelihood to evaluate; see `musejax metrics` for its music")
    bars = description["training"].get("bars", 0)
    items = windows.of(dataset, bars).split(split)
    scores = likelihood.score_pieces(run.model, run.variables, items, samples=samples, seed=seed, given=streams)
    figures = likelihood.figures(scores, run.vocabulary, source, run.model.score)
    told: dict[str, Any] = {"given": list(given)} if given else {}
    if bars:
        figures = {**figures, "windows": len(items), "pieces": windows.pieces(items)}
        told["bars"] = bars
    return {"model": name, "data": source, "split": split, **told, **figures}
