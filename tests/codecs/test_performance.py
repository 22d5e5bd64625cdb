import os
import pathlib
import zipfile

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from musejax import codecs, errors
from musejax.music import noteseq

BINS = {"performance": 32, "performance-356": 0}
BOTH = pytest.mark.parametrize("name", BINS)


def _theirs(sequence, bins, *, split=True):
    """Magenta's pipeline over note-seq's own classes: ids of each stretch, none left out and none cut."""
    note_seq = noteseq.load()
    lib = note_seq.sequences_lib
    encoding = note_seq.PerformanceOneHotEncoding(num_velocity_bins=bins)
    sequence = lib.apply_sustain_control_changes(sequence)
    out = []
    for part in lib.split_note_sequence(sequence, 30.0) if split else [sequence]:
        quantised = lib.quantize_note_sequence_absolute(part, 100)
        events = note_seq.Performance(quantized_sequence=quantised, num_velocity_bins=bins)
        out.append([encoding.encode_event(event) for event in events])
    return out


def _ruled(stretches):
    return [ids[:512] for ids in stretches if len(ids) >= 32]


@st.composite
def sequences(draw):
    """Any notes, pedal, several instruments, times as they come."""
    sequence = noteseq.load().NoteSequence()
    for _ in range(draw(st.integers(1, 60))):
        start = draw(st.floats(0, 70))
        sequence.notes.add(
            start_time=start,
            end_time=start + draw(st.one_of(st.floats(0, 0.02), st.floats(0.02, 12))),
            pitch=draw(st.integers(0, 127)),
            velocity=draw(st.integers(1, 127)),
            instrument=draw(st.integers(0, 1)),
        )
    for _ in range(draw(st.integers(0, 4))):
        sequence.control_changes.add(
            time=draw(st.floats(0, 70)), control_number=64, control_value=draw(st.sampled_from([0, 127]))
        )
    sequence.total_time = max(n.end_time for n in sequence.notes)
    return sequence


@BOTH
@hypothesis.settings(deadline=None, max_examples=60)
@hypothesis.given(sequence=sequences())
def test_ids_are_note_seqs(name, sequence):
    codec = codecs.get(name)
    assert codec.prime(sequence)["tokens"].tolist() == _theirs(sequence, BINS[name], split=False)[0]
    expected = _ruled(_theirs(sequence, BINS[name]))
    if expected:
        assert [a["tokens"].tolist() for a in codec.encode(sequence)] == expected
    else:
        with pytest.raises(errors.DiscardError, match="fewer than 32 events"):
            codec.encode(sequence)


@st.composite
def on_grid(draw):
    """Notes on the 10 ms grid, no two of one pitch at once."""
    sequence = noteseq.load().NoteSequence()
    ends = {}
    for _ in range(draw(st.integers(1, 40))):
        pitch = draw(st.integers(50, 60))
        start = ends.get(pitch, 0) + draw(st.integers(0, 300))
        ends[pitch] = start + draw(st.integers(1, 250))
        sequence.notes.add(
            start_time=start / 100, end_time=ends[pitch] / 100, pitch=pitch, velocity=draw(st.integers(1, 127))
        )
    sequence.total_time = max(ends.values()) / 100
    return sequence


@BOTH
@hypothesis.settings(deadline=None, max_examples=60)
@hypothesis.given(sequence=on_grid())
def test_tokens_survive(name, sequence):
    codec = codecs.get(name)
    arrays = codec.prime(sequence)
    again = codec.decode(arrays, 120.0)
    assert len(again.notes) == len(sequence.notes)
    np.testing.assert_array_equal(codec.prime(again)["tokens"], arrays["tokens"])
    assert arrays["tokens"].dtype == np.int32


def _notes(*notes):
    sequence = noteseq.load().NoteSequence()
    for start, end, pitch in notes:
        sequence.notes.add(start_time=start, end_time=end, pitch=pitch, velocity=64)
        sequence.total_time = max(sequence.total_time, end)
    return sequence


def test_stretches_of_512_events_at_most():
    # 100 notes a second, each of a step, over 40 s: 20 s would be more than 512 events already.
    dense = _notes(*[(i / 50, i / 50 + 0.01, 60) for i in range(2000)])
    assert [len(a["tokens"]) for a in codecs.get("performance").encode(dense)] == [512, 512]


def test_velocities():
    tokens = codecs.get("performance").prime(_notes((0, 0.01, 60), (0.01, 0.02, 61)))["tokens"]
    assert tokens.tolist() == [356 + 15, 60, 256, 188, 61, 256, 189]
    tokens = codecs.get("performance-356").prime(_notes((0, 2.5, 60)))["tokens"]
    assert tokens.tolist() == [60, 355, 355, 305, 188]


def test_variants_are_magentas():
    """The pedal first, then the tempo."""
    note_seq = noteseq.load()
    sequence = _notes((0, 1, 60), (2, 3, 62))
    sequence.control_changes.add(time=0.5, control_number=64, control_value=127)
    sequence.control_changes.add(time=2.5, control_number=64, control_value=0)
    variants = codecs.get("performance").variants(sequence)
    pedalled = note_seq.sequences_lib.apply_sustain_control_changes(sequence)
    for variant, factor in zip(variants, (0.95, 0.975, 1.0, 1.025, 1.05), strict=True):
        expected = note_seq.sequences_lib.stretch_note_sequence(pedalled, factor)
        assert list(variant.notes) == list(expected.notes)
    assert sequence.notes[0].end_time == 1


def test_a_note_without_an_end_lasts_to_the_end():
    sequence = codecs.get("performance").decode({"tokens": np.array([60, 61, 355, 189, 355])}, 90)
    assert [(n.pitch, n.start_time, n.end_time) for n in sequence.notes] == [(61, 0, 1), (60, 0, 2)]
    assert sequence.tempos[0].qpm == 90


@BOTH
@pytest.mark.parametrize(
    ("notes", "reason"), [([], "empty"), ([(-1, 1, 60)], "before time 0"), ([(0, 1, 60)], "fewer")]
)
def test_discards(name, notes, reason):
    with pytest.raises(errors.DiscardError, match=reason):
        codecs.get(name).encode(_notes(*notes))


@pytest.mark.slow
@BOTH
def test_pop909(name):
    folder = os.environ.get("MUSEJAX_DATA")
    if not folder:
        pytest.skip("MUSEJAX_DATA is not set: no pop909.zip")
    with zipfile.ZipFile(pathlib.Path(folder) / "pop909.zip") as archive:
        for number in (1, 123, 456, 909):
            data = archive.read(f"POP909/{number:03d}/{number:03d}.mid")
            sequence = noteseq.load().midi_to_note_sequence(data)
            codec = codecs.get(name)
            for variant in codec.variants(sequence):
                ours = [a["tokens"].tolist() for a in codec.encode(variant)]
                assert ours == _ruled(_theirs(variant, BINS[name]))
