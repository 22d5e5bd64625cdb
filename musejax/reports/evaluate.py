"""The report of `musejax evaluate`: figures of a run on a corpus, after checking that the score is meaningful."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from musejax import errors, registry, zoo
from musejax.codecs import chorale
from musejax.corpora import preparation
from musejax.evaluation import gan_likeness, likelihood, reconstruction
from musejax.pipeline import dataset as datasets
from musejax.pipeline import holdout, windows

# Number of windows in a batch; whole pieces, which are longer, are scored in smaller batches.
WINDOWS = 128
# Default number of samples of a model without a likelihood.
SAMPLES = 1000


def _check_overlap(trained: str, data: str, name: str) -> None:
    """Raises errors.UserError if a corpus shares music with another corpus on which the model was trained.

    The published splits of the model's own corpus are always allowed.
    """
    if trained == data or not registry.is_known("corpus", trained):
        return
    if data in registry.get("corpus", trained).overlaps or (
        registry.is_known("corpus", data) and trained in registry.get("corpus", data).overlaps
    ):
        raise errors.UserError(
            f"{name} was trained on {trained}, which shares music with {data}, so its likelihood there would be "
            f"meaningless; evaluate it with --data {trained}"
        )


def _streams(given: Sequence[str]) -> list[int]:
    """Returns the streams of voices, given their names.

    Raises:
        errors.UserError: A name is unknown, or all voices are given.
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
    """Computes the figures of a run on a split, with protocol, kind and intervals.

    A run trained on windows of bars is scored on windows that differ from its training windows up to transposition, and
    its intervals resample whole pieces. For a model with latent vectors, reconstructions are measured too. Samples of a
    GAN over piano-rolls, which has no likelihood, are compared with the windows.

    Args:
        loaded: The run.
        data: A corpus, folder or prepared data set; None for the run's own corpus.
        split: `train`, `valid` or `test`.
        say: Receives messages about damaged checkpoints and progress.
        samples: Number of samples per piece, for a model without an exact likelihood.
        seed: Seed for sampling.
        given: Names of the given voices of a chorale; the likelihood is that of the others.
        frames_per_bar: Frames in the bars of windows; None for those of a data set that is already cut, or of 4/4.
        num: Number of samples of a model without a likelihood; None for 1,000.

    Raises:
        errors.UserError: The model cannot be scored on these data.
    """
    description, name, vocabulary = loaded.config, loaded.name, loaded.codec.vocabulary
    source = data or description["data"]["source"]
    if not source:
        raise errors.UserError(f"{name} names no data of its own; give --data a corpus, a folder or a file")
    sources = [description["data"]["source"], *description.get("init", {}).get("data", ())]
    for trained in sources:
        _check_overlap(trained, source, name)
    codec = description["vocabulary"]["name"]
    if registry.is_known("corpus", source) and registry.get("corpus", source).codec not in (None, codec):
        raise errors.UserError(
            f"{source} has codec {registry.get('corpus', source).codec}, but {name} has {codec}; give another --data"
        )
    streams = _streams(given)
    if given and description["vocabulary"]["streams"] != len(chorale.VOICES):
        raise errors.UserError(f"--given {','.join(given)}: the codec of {name} is {codec}, which has no such voices")
    dataset = preparation.prepare(source, codec, say)
    for trained in sources:
        _check_overlap(trained, dataset.source, name)  # the corpus of a prepared file is known only now
    if dataset.source == description["data"]["source"]:
        dataset = holdout.hold_out(dataset, description["training"].get("hold_out", 0))
    bars, details = description["training"].get("bars", 0), {"given": list(given)} if given else {}
    by_samples = loaded.model.likelihood is None and loaded.model.info.piece_frames and vocabulary.tracks and bars
    if loaded.model.likelihood is None and not by_samples:
        raise errors.UserError(f"{name} has no likelihood to evaluate; see `musejax metrics` for its music")
    if by_samples and frames_per_bar not in (None, vocabulary.bar):
        raise errors.UserError(
            f"--frames-per-bar {frames_per_bar}: {name} generates only bars of {vocabulary.bar} frames"
        )
    if bars:
        items, cut = _windows(dataset, description, split, bars, frames_per_bar, say)
        details |= cut
    else:
        if frames_per_bar is not None:
            raise errors.UserError(f"--frames-per-bar {frames_per_bar}: {name} reads whole pieces, not windows of bars")
        items = dataset.split(split)
    about = {"model": name, "data": source, "split": split, **details}
    if by_samples:
        own = dataset.source == sources[0] and dataset.splits.get("train")
        if not own and not registry.is_known("corpus", sources[0]):
            raise errors.UserError(f"{name} was trained on {sources[0]}, which is not a corpus; give it as --data")
        training_data = dataset if own else preparation.prepare(sources[0], codec, say)
        training, settings = windows.cut_windows(training_data, bars).split("train"), description["training"]
        return about | _likeness(loaded, items, training, num or SAMPLES, seed, settings.get("transpose", 0))
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
    loaded: zoo.Loaded, items: list[datasets.Item], training: list[datasets.Item], num: int, seed: int, transpose: int
) -> dict[str, Any]:
    """Compares samples with held-out windows, and checks whether they are training windows."""
    vocabulary = loaded.codec.vocabulary
    held_out, trained = (gan_likeness.rolls_of(vocabulary, side) for side in (items, training))
    rolls = gan_likeness.sample_rolls(loaded.model, loaded.variables, held_out, num, seed)
    counts = {"pieces": int(windows.pieces(items).max()) + 1, "windows": len(items)}
    return counts | gan_likeness.figures(vocabulary, rolls, held_out, trained, transpose)


def _windows(
    data: datasets.Dataset,
    description: dict[str, Any],
    split: str,
    bars: int,
    frames_per_bar: int | None,
    say: Callable[[str], None],
) -> tuple[list[datasets.Item], dict[str, Any]]:
    """Returns the windows of a split that the run was not trained on, and entries for the report.

    A run knows only the corpus it was trained on, so the training windows are cut from that corpus again. If that is
    not possible, because it is a folder or file other than the data to score, no windows are left out and the entry
    `apart_from` is None.
    """
    before = data.report.get("windows", {}).get("frames_per_bar", data.vocabulary.bar)
    frames = before if frames_per_bar is None else frames_per_bar
    trained = description["data"]["source"]
    cut = windows.cut_windows(data, bars, frames)
    items, apart_from = cut.split(split), f"{trained}:train"
    own = data.source == trained
    if own and split == "train":
        apart_from = None
    elif not (own and data.splits.get("train")):
        if registry.is_known("corpus", trained):
            whole = preparation.prepare(trained, data.vocabulary.name, say)
            training = windows.cut_windows(whole, bars, frames).split("train")
            items = windows.unseen(items, training, data.vocabulary)
        else:
            apart_from = None
            say(f"this run was trained on {trained}, which is not a corpus; the data may include training windows")
        if not items:
            raise errors.UserError(f"every window of the {split} split of {data.source} is in {trained}:train")
    return items, {"bars": bars, "frames_per_bar": frames, "apart_from": apart_from}
