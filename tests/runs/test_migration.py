"""Shipped runs give the notes and the figures that they gave when they were recorded.

`shipped_notes.json` was recorded by version 0.1.0 on an x86-64 machine: `musejax sample NAME --num 2 --seed 7`, a
digest for each piece. Whoever changes a shipped run on purpose records its entry again and says why in the commit.
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import symusic

from musejax import zoo
from musejax.reports import evaluate

RECORDED = json.loads((Path(__file__).parent / "shipped_notes.json").read_text())
FIGURES = json.loads((Path(__file__).parents[2] / "benchmarks" / "results" / "quality.json").read_text())
EXACT = sorted(name for name, found in FIGURES.items() if found.get("test", {}).get("kind") == "exact")


def digest(path: Path) -> str:
    """A digest of the notes of a MIDI file, track by track."""
    tracks = [
        [
            track.program,
            track.is_drum,
            sorted(([n.time, n.duration, n.pitch, n.velocity] for n in track.notes), key=lambda n: (n[0], n[2], n[1])),
        ]
        for track in symusic.Score(str(path), ttype="tick").tracks
    ]
    return hashlib.sha256(json.dumps(tracks, separators=(",", ":")).encode()).hexdigest()[:16]


def test_every_shipped_run_is_recorded():
    assert sorted(RECORDED) == sorted(zoo.list_models(shipped=True))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(RECORDED))
def test_a_shipped_run_writes_the_notes_that_it_wrote(name, tmp_path):
    command = [sys.executable, "-m", "musejax.cli", "sample", name, "--num", "2", "--seed", "7", "--out", str(tmp_path)]
    # As users have it, without the flags by which tests compile quickly.
    subprocess.run(command, check=True, env={k: v for k, v in os.environ.items() if k != "XLA_FLAGS"})
    assert [digest(path) for path in sorted(tmp_path.glob("*.mid"))] == RECORDED[name]


@pytest.mark.slow
@pytest.mark.usefixtures("data_folder")
@pytest.mark.parametrize("name", EXACT)
def test_a_shipped_run_has_the_likelihood_that_it_had(name):
    found = evaluate.evaluate(zoo.load(name), None, "test", lambda text: None)
    field = FIGURES[name]["test"]["interval_of"]
    assert found[field] == pytest.approx(FIGURES[name]["test"][field], abs=1e-4)
