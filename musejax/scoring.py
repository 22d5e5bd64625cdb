"""`musejax evaluate`: a run, a corpus, and whether the one may be scored on the other."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from musejax import corpora, errors, preparation, runs
from musejax.evaluation import likelihood


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


def evaluate(
    path: Path, name: str, data: str | None, split: str, say: Callable[[str], None], *, samples: int = 64, seed: int = 0
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
    run = runs.load(path, say)
    dataset = preparation.prepare(source, codec, say)
    _check_overlap(description["data"]["source"], dataset.source, name)  # a prepared file says where it comes from
    if run.model.score is None:
        raise errors.UserError(f"{name} has no likelihood to evaluate; see `musejax metrics` for its music")
    items = dataset.split(split)
    scores = likelihood.score_pieces(run.model, run.variables, items, samples=samples, seed=seed)
    figures = likelihood.figures(scores, run.vocabulary, source, run.model.score)
    return {"model": name, "data": source, "split": split, **figures}
