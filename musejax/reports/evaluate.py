"""`musejax evaluate`: a run, a corpus, and whether the one may be scored on the other."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from musejax import errors, registry, zoo
from musejax.codecs import chorale
from musejax.corpora import preparation
from musejax.evaluation import gan_likeness, likelihood, reconstruction
from musejax.pipeline import dataset as datasets
from musejax.pipeline import holdout, windows

# Windows scored at a time; whole pieces, which are longer, go in smaller batches.
WINDOWS = 128
# Pieces that a model without a likelihood draws.
DRAWN = 1000


def _check_overlap(trained: str, data: str, name: str) -> None:
    """Refuses to score a model on a corpus that shares music with its own.

    A published split of the run's own corpus is always scorable.
    """
    if trained == data or not registry.is_known("corpus", trained):
        return
    if data in registry.get("corpus", trained).overlaps or (
        registry.is_known("corpus", data) and trained in registry.get("corpus", data).overlaps
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
    loaded: zoo.Loaded,
    data: str | None,
    split: str,
    say: Callable[[str], None],
    *,
    samples: int = 64,
    seed: int = 0,
    given: Sequence[str] = (),
    frames_per_bar: int | None = None,
    num: int | None = None,
) -> dict[str, Any]:
    """The figures of a run on a split, with the protocol, the kind and the interval.

    A run on windows of bars is scored on windows that it was not trained on, up to transposition; its intervals
    resample whole pieces. A model with latent vectors has its reconstructions measured too. Of a GAN over rolls, which
    has no likelihood, samples are compared with the windows.

    Args:
        loaded: The run.
        data: A corpus, folder or prepared data set; None for the run's own corpus.
        split: `train`, `valid` or `test`.
        say: Is told of damaged checkpoints and of long work.
        samples: Draws a piece, for a model without an exact likelihood.
        seed: Of the draws.
        given: Voices of a chorale that are given; the likelihood is that of the others.
        frames_per_bar: Frames in the bars of windows; None for those of a data set that is cut already, else of
            4/4.
        num: Samples of a model without a likelihood; None for 1,000.

    Raises:
        errors.UserError: The model cannot be scored on these data.
    """
    description, name, vocabulary = loaded.config, loaded.name, loaded.codec.vocabulary
    source = data or description["data"]["source"]
    if not source:
        raise errors.UserError(f"{name} names no data of its own; give --data a corpus, a folder or a file")
    heard = [description["data"]["source"], *description.get("init", {}).get("data", ())]
    for trained in heard:
        _check_overlap(trained, source, name)
    codec = description["vocabulary"]["name"]
    if registry.is_known("corpus", source) and registry.get("corpus", source).codec not in (None, codec):
        raise errors.UserError(
            f"{source} comes as {registry.get('corpus', source).codec}, but {name} reads {codec}; it cannot be scored "
            "there"
        )
    streams = _streams(given)
    if given and description["vocabulary"]["streams"] != len(chorale.VOICES):
        raise errors.UserError(f"--given {','.join(given)}: {name} reads {codec}, which has no such voices")
    dataset = preparation.prepare(source, codec, say)
    for trained in heard:
        _check_overlap(trained, dataset.source, name)  # a prepared file says where it comes from
    if dataset.source == description["data"]["source"]:
        dataset = holdout.hold_out(dataset, description["training"].get("hold_out", 0))
    bars, told = description["training"].get("bars", 0), {"given": list(given)} if given else {}
    by_samples = loaded.model.likelihood is None and loaded.model.info.piece_frames and vocabulary.tracks and bars
    if loaded.model.likelihood is None and not by_samples:
        raise errors.UserError(f"{name} has no likelihood to evaluate; see `musejax metrics` for its music")
    if by_samples and frames_per_bar not in (None, vocabulary.bar):
        raise errors.UserError(
            f"--frames-per-bar {frames_per_bar}: {name} draws bars of {vocabulary.bar} frames, not of other metres"
        )
    if bars:
        items, cut = _windows(dataset, description, split, bars, frames_per_bar, say)
        told |= cut
    else:
        if frames_per_bar is not None:
            raise errors.UserError(f"--frames-per-bar {frames_per_bar}: {name} reads whole pieces, not windows of bars")
        items = dataset.split(split)
    about = {"model": name, "data": source, "split": split, **told}
    if by_samples:
        own = dataset.source == heard[0] and dataset.splits.get("train")
        if not own and not registry.is_known("corpus", heard[0]):
            raise errors.UserError(f"{heard[0]}, on which {name} was trained, cannot be read again to compare with")
        known = windows.cut_windows(dataset if own else preparation.prepare(heard[0], codec, say), bars).split("train")
        return about | _likeness(loaded, items, known, num or DRAWN, seed, description["training"].get("transpose", 0))
    assert loaded.model.likelihood is not None
    together = windows.pieces(items) if bars else None
    scores = likelihood.score_pieces(
        loaded.model,
        loaded.variables,
        items,
        batch_size=WINDOWS if bars else 16,
        samples=samples,
        seed=seed,
        given=streams,
    )
    figures = likelihood.figures(scores, vocabulary, source, loaded.model.likelihood, together)
    if together is not None:
        figures |= {"windows": len(items), "pieces": int(together.max()) + 1}
    if loaded.model.latent is not None and loaded.model.latent.costs is not None:
        rebuilt = reconstruction.rebuild(loaded.model, loaded.variables, vocabulary, items, seed=seed)
        rows = np.arange(len(items)) if together is None else together
        figures |= reconstruction.figures(rebuilt, rows)
    return about | figures


def _likeness(
    loaded: zoo.Loaded, items: list[datasets.Item], known: list[datasets.Item], num: int, seed: int, transpose: int
) -> dict[str, Any]:
    """How near samples are to held-out windows, and whether they are training windows."""
    vocabulary = loaded.codec.vocabulary
    held_out, training = (gan_likeness.rolls_of(vocabulary, side) for side in (items, known))
    drawn = gan_likeness.samples(loaded.model, loaded.variables, held_out, num, seed)
    counts = {"pieces": int(windows.pieces(items).max()) + 1, "windows": len(items)}
    return counts | gan_likeness.figures(vocabulary, drawn, held_out, training, transpose)


def _windows(
    data: datasets.Dataset,
    description: dict[str, Any],
    split: str,
    bars: int,
    frames_per_bar: int | None,
    say: Callable[[str], None],
) -> tuple[list[datasets.Item], dict[str, Any]]:
    """The windows of a split without those that the run was trained on, and what the answer says of them.

    A run says which corpus it was trained on, not with which windows: they are cut from that corpus again. Where it is
    no corpus by name (a folder, a file of somebody's own) and not the data in question either, nothing is left out and
    `apart_from` is None.
    """
    before = data.report.get("windows", {}).get("frames_per_bar", data.vocabulary.bar)
    frames = before if frames_per_bar is None else frames_per_bar
    trained = description["data"]["source"]
    cut = windows.cut_windows(data, bars, frames)
    items, known = cut.split(split), f"{trained}:train"
    own = data.source == trained
    if own and split == "train":
        known = None
    elif not (own and data.splits.get("train")):
        if registry.is_known("corpus", trained):
            training = windows.cut_windows(preparation.prepare(trained, data.vocabulary.name, say), bars, frames).split(
                "train"
            )
            items = windows.unseen(items, training, data.vocabulary)
        else:
            known = None
            say(f"{trained}, on which this run was trained, cannot be read again: windows that it knows may be scored")
        if not items:
            raise errors.UserError(f"every window of the {split} split of {data.source} is in {trained}:train")
    return items, {"bars": bars, "frames_per_bar": frames, "apart_from": known}
