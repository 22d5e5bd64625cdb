"""The ends of pieces as `benchmarks.cadences` counts them."""

import numpy as np
import pytest

from benchmarks import cadence_chords as chords
from benchmarks import cadences
from musejax.music import noteseq

# Soprano to bass, a quarter each; C is 60.
SUBDOMINANT, TONIC, MINOR = (69, 65, 60, 53), (67, 64, 60, 48), (67, 63, 60, 48)
DOMINANT, SEVENTH, LEADING = (67, 62, 59, 55), (65, 62, 59, 55), (65, 62, 59, 50)


def piece(*frames, each=4):
    return np.repeat(np.array(frames), each, axis=0)


@pytest.mark.parametrize(
    ("frames", "name"),
    [
        ((DOMINANT, TONIC), "V-I"),
        ((SEVENTH, TONIC), "V7-I"),
        ((LEADING, TONIC, TONIC), "vii-I"),
        ((SUBDOMINANT, TONIC), "IV-I"),
        ((DOMINANT, (65, 62, 60, 55), TONIC), "V-I"),  # a suspension in between
        ((TONIC, TONIC), None),
        ((DOMINANT, (72, 64, 60, 57)), None),  # a deceptive end
        ((DOMINANT, (67, 60, 55, 52)), None),  # in first inversion
    ],
)
def test_a_cadence_is_named_by_the_chord_that_leads_to_the_tonic(frames, name):
    assert chords.cadence(piece(*frames), 0, False) == name


def test_a_minor_key_ends_on_either_third_and_a_major_key_on_its_own():
    assert chords.cadence(piece(DOMINANT, MINOR), 0, True) == chords.cadence(piece(DOMINANT, TONIC), 0, True) == "V-I"
    assert chords.cadence(piece(DOMINANT, MINOR), 0, False) is None


def test_a_triad_of_a_key_has_its_notes_or_a_picardy_third():
    assert chords.ends_on_triad_of_key(piece(TONIC), 0) and not chords.ends_on_triad_of_key(piece(SEVENTH), 0)
    assert chords.ends_on_triad_of_key(piece((69, 64, 61, 57)), 0)  # A major in A minor
    assert not chords.ends_on_triad_of_key(piece(MINOR), 0) and chords.ends_on_triad_of_key(piece(MINOR), -3)
    assert not chords.ends_on_triad_of_key(np.full((4, 4), -1), 0)
    assert chords.ends_on_triad_of_key(np.concatenate([piece(TONIC), np.full((4, 4), -1)]), 0)


def test_a_tune_is_the_soprano_without_fermatas():
    sequence = noteseq.load().NoteSequence()
    sequence.tempos.add(qpm=60)
    for part, pitch in enumerate(TONIC):
        sequence.notes.add(part=part, instrument=part, pitch=pitch, velocity=80, start_time=0, end_time=1)
    sequence.total_time = 1
    sequence.text_annotations.add(time=0, text="fermata")
    assert cadences.pitches(sequence).tolist() == [list(TONIC)] * 4
    tune = cadences.melody(sequence)
    assert [note.pitch for note in tune.notes] == [67] and not tune.text_annotations
