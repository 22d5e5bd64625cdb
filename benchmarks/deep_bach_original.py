# pyright: reportMissingImports=false
"""The original DeepBach, trained and scored on our windows; a section of docs/results/gibbs.md.

    git clone https://github.com/Ghadjeres/DeepBach original
    python -m benchmarks.deep_bach_original --original original --steps 1000

The four voice models (sizes from its deepBach.py, Adam at 1e-3, batches of 256) are trained on cells of the training
split of `bach-chorales`, each with 16 frames on either side, with the same transposition as our run. Every validation
cell is scored in its place in the piece. The original samples initial recurrent states randomly, also in evaluation;
here the seed is 0.
"""

import argparse
import dataclasses
import json
import sys
import time
import types
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import gibbs_quality as quality
from musejax import commands
from musejax.corpora import preparation
from musejax.pipeline import batches, dataset
from musejax.vocabulary import Vocabulary

REACH, BATCH, CODEC = 16, 256, "chorale"
CONDITIONS = ("fermata", "beat", "key")
BEATS = 4


@dataclasses.dataclass
class Metadata:
    """A kind of metadata, with the interface that the original requires."""

    num_values: int


def voice_model(folder: Path, vocabulary: Vocabulary, voice: int) -> Any:
    """Returns the original's network of a voice, over our tokens and one more for frames outside a piece."""
    sys.path.insert(0, str(folder))
    # Its data set reads its own corpus with music21; only the name is needed.
    fake = types.ModuleType("DatasetManager.chorale_dataset")
    fake.ChoraleDataset = object  # type: ignore[attr-defined]
    sys.modules["DatasetManager"] = types.ModuleType("DatasetManager")
    sys.modules["DatasetManager.chorale_dataset"] = fake
    from DeepBach.voice_model import VoiceModel

    sizes = dict(vocabulary.conditions)
    told = types.SimpleNamespace(
        note2index_dicts=[range(vocabulary.size + 1)] * vocabulary.streams,
        num_voices=vocabulary.streams,
        metadatas=[Metadata((BEATS if name == "beat" else sizes[name]) + 1) for name in CONDITIONS],
    )
    return VoiceModel(told, voice, 20, 20, 2, 256, 0.5, 256)


def padded(vocabulary: Vocabulary, arrays: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Returns notes [T + 2 REACH, S] and metadata [T + 2 REACH, 3] of a piece, padded on both sides."""
    sizes, real = dict(vocabulary.conditions), np.asarray(arrays.get("pad_mask", np.ones(len(arrays["tokens"])))) > 0
    around = ((REACH, REACH), (0, 0))
    notes = np.where(real[:, None], arrays["tokens"], vocabulary.size)
    told = []
    for name in CONDITIONS:
        size = BEATS if name == "beat" else sizes[name]
        ids = np.asarray(arrays[name])
        told.append(np.where(real & (ids < sizes[name]), ids % size if name == "beat" else ids, size))
    outside = np.array([BEATS if name == "beat" else sizes[name] for name in CONDITIONS])
    meta = np.pad(np.stack(told, -1), around)
    meta[:REACH] = meta[-REACH:] = outside
    return np.pad(notes, around, constant_values=vocabulary.size), meta


def windows(notes: np.ndarray, meta: np.ndarray, at: np.ndarray, voice: int) -> tuple[Any, Any, Any]:
    """Returns the original's input for cells of a piece: ((left, centre, right) of notes, same of metadata, labels)."""
    span = at[:, None] + np.arange(2 * REACH + 1)
    cells, told = notes[span], meta[span]
    told = np.concatenate([told, np.full((*told.shape[:2], 1), voice)], -1)
    others = [s for s in range(cells.shape[2]) if s != voice]
    # It reads notes as [N, voice, frame], and the following frames in reverse order.
    sides = [np.swapaxes(x, 1, 2) for x in (cells[:, :REACH], cells[:, : -REACH - 1 : -1])]
    heard = (sides[0], cells[:, REACH][:, others], sides[1])
    return heard, (told[:, :REACH], told[:, REACH], told[:, : -REACH - 1 : -1]), cells[:, REACH, voice]


def drawn(vocabulary: Vocabulary, source: batches.Batches, voice: int) -> Iterator[list[Any]]:
    """Yields batches of random cells of our training stream."""
    rng, end = np.random.default_rng((0, voice)), vocabulary.id("end")
    for index in range(len(source)):
        batch, parts = source[index], []
        rows = len(batch["tokens"])
        for row in range(rows):
            arrays = {name: x[row] for name, x in batch.items()}
            real = int(np.sum(arrays["pad_mask"]))
            # If a piece continues after its window, cells near the edge of the window are not used.
            known = np.arange(len(arrays["pad_mask"])) < (real - REACH if real == len(arrays["pad_mask"]) else real)
            scored = np.flatnonzero((arrays["loss_mask"] > 0) & known & (arrays["tokens"][:, voice] != end))
            if len(scored):
                chosen = rng.choice(scored, -(-BATCH // rows))
                parts.append(windows(*padded(vocabulary, arrays), chosen, voice))
        yield joined(parts)


def joined(parts: Sequence[Any]) -> list[Any]:
    """Returns the windows of several pieces as tensors, at most one batch."""
    import jax
    import torch

    return jax.tree.map(lambda *x: torch.from_numpy(np.concatenate(x)[:BATCH].astype(np.int64)), *parts)


def train(net: Any, cells: Iterator[Any], steps: int) -> float:
    """Trains a voice, and returns the seconds that it took."""
    import torch

    optimizer, begin = torch.optim.Adam(net.parameters()), time.perf_counter()
    net.train()
    for step in range(steps):
        heard, told, labels = next(cells)
        loss = torch.nn.functional.cross_entropy(net(heard, told), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 100 == 0:
            commands.say(f"voice {net.main_voice_index}, step {step}: {loss.item():.4f}")
    return time.perf_counter() - begin


def score(net: Any, vocabulary: Vocabulary, items: Sequence[dataset.Item], voice: int) -> dict[str, float]:
    """Returns cost and accuracy over all cells of a voice, and over its notes."""
    import torch

    pitches, end = vocabulary.values("pitch"), vocabulary.id("end")
    nats, right, is_note = [], [], []
    net.eval()
    with torch.inference_mode():
        for item in items:
            at = np.flatnonzero(item.arrays["tokens"][:, voice] != end)
            for first in range(0, len(at), BATCH):
                heard, told, labels = joined(
                    [windows(*padded(vocabulary, item.arrays), at[first : first + BATCH], voice)]
                )
                said = net(heard, told).log_softmax(-1)
                nats.append(-said.gather(1, labels[:, None])[:, 0].numpy())
                right.append((said.argmax(-1) == labels).numpy())
                is_note.append(pitches[labels.numpy()] >= 0)
    return quality.average_arrays(*(np.concatenate(x) for x in (nats, right, is_note)))


def main() -> int:
    """Runs the command line and returns the exit status."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--original", type=Path, required=True, help="a checkout of the original")
    parser.add_argument("--steps", type=int, default=1000, help="training steps of each voice (default: 1000)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=quality.ROOT, help="root folder of the output")
    args = parser.parse_args()
    if not (args.original / "DeepBach" / "voice_model.py").is_file():
        parser.error(f"--original {args.original}: it has no DeepBach/voice_model.py")
    torch.set_num_threads(args.threads)
    data = preparation.prepare(quality.TEST, CODEC, commands.say)
    table = data.vocabulary
    source = batches.Batches(data.split("train"), table, batch_size=16, window=128, context=REACH, transpose=6, seed=0)
    found: dict[str, Any] = {"steps": args.steps, "batch": BATCH, "threads": args.threads, "voices": {}}
    for voice, name in enumerate(quality.VOICES):
        torch.manual_seed(0)
        net = voice_model(args.original, table, voice)
        seconds = train(net, drawn(table, source, voice), args.steps)
        found["seconds"] = round(found.get("seconds", 0.0) + seconds, 1)
        found["voices"][name] = score(net, table, data.split("valid"), voice)
        found["parameters"] = sum(p.numel() for p in net.parameters())
        commands.say(f"{name}: {json.dumps(found['voices'][name])}")
    raw = quality.read_raw(args.out)
    raw["original"] = found
    quality.write(raw, args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
