"""Statistics of real, broken and copied music: the measures tell them apart."""

import json

import musicxml_text
import numpy as np
import pytest

from musejax import cli, codecs, errors, rendering
from musejax.corpora import preparation
from musejax.evaluation import note_rolls
from musejax.music import noteseq
from musejax.reports import metrics, tables


def sequence(notes, *, qpm=120.0, signatures=(), tempos=()):
    """Notes of (track, pitch, first quarter, end quarter) at 120 quarters a minute."""
    made = noteseq.load().NoteSequence()
    made.tempos.add(qpm=qpm)
    for time, value in tempos:
        made.tempos.add(time=time, qpm=value)
    for time, numerator, denominator in signatures:
        made.time_signatures.add(time=time, numerator=numerator, denominator=denominator)
    for track, pitch, start, end in notes:
        made.notes.add(
            instrument=track, pitch=pitch, start_time=start / 2, end_time=end / 2, velocity=80, is_drum=track == 9
        )
    made.total_time = max(n[3] for n in notes) / 2
    return made


def test_notes_lie_on_the_grid_in_tracks_by_instrument():
    piece = metrics.on_grid(sequence([(3, 60, 0, 1), (9, 36, 0, 0.25), (0, 48, 1, 4)]))
    assert piece.notes == [note_rolls.Note(1, 60, 0, 4), note_rolls.Note(2, 36, 0, 1), note_rolls.Note(0, 48, 4, 16)]
    assert (piece.drums, piece.bar, piece.frames) == ([False, False, True], 16, 16)
    fine = metrics.on_grid(sequence([(0, 60, 0, 1 / 3)]), grid=12)
    assert fine.notes == [note_rolls.Note(0, 60, 0, 4)] and fine.bar == 48


def test_a_pick_up_is_filled_up_so_that_bars_begin_at_multiples():
    bars = [(0, 1, 4), (0.5, 3, 4)]  # a quarter, then bars of three
    notes = [(0, 60, 0, 1)] + [(0, 62, 1 + i, 2 + i) for i in range(9)]
    piece = metrics.on_grid(sequence(notes, signatures=bars))
    assert piece.bar == 12
    assert piece.notes[0].start == 8 and piece.notes[1].start == 12
    assert piece.frames == 48


def test_a_change_of_tempo_moves_no_note():
    piece = metrics.on_grid(sequence([(0, 60, 0, 4), (0, 62, 4, 6)], tempos=[(2.0, 60)]))
    assert piece.notes[1] == note_rolls.Note(0, 62, 16, 20)


def test_a_silent_track_does_not_move_the_others_where_tracks_have_names():
    def named(*tracks):
        made = sequence([(track, 60 + track, 0, 4) for track in tracks])
        for track in tracks:
            made.instrument_infos.add(instrument=track, name="abc"[track])
        return metrics.on_grid(made)

    whole, last, other = named(0, 1, 2), named(2), named(0, 1)
    assert whole.names == ("a", "b", "c")
    found = metrics.align_tracks(
        [whole, last, other, other._replace(names=()), other._replace(names=("c", "x"))], whole
    )
    assert [[n.track for n in p.notes] for p in found] == [[0, 1, 2], [2], [0, 1], [0, 1], [0, 1]]
    assert found[1].drums == [False] * 3
    pieces = [whole, last, whole, last]
    assert metrics.compare(pieces, pieces, None)["musegan"]["generated"]["eb"] == [0.5, 0.5, 0.0]


def test_an_empty_piece_is_discarded():
    with pytest.raises(errors.DiscardError, match="empty"):
        metrics.on_grid(noteseq.load().NoteSequence())


@pytest.fixture(scope="module")
def chorales():
    """Real chorales by split, as tokens and as pieces."""
    data = preparation.prepare("bach-chorales", "chorale", lambda text: None)
    return {split: list(items) for split, items in data.splits.items()}


def pieces(arrays):
    decode = codecs.get("chorale").decode
    return [metrics.on_grid(decode(a, 120.0)) for a in arrays]


@pytest.fixture(scope="module")
def compared(chorales):
    """Real, shuffled, copied and collapsed music in the place of a model's, beside the test split."""
    rng = np.random.default_rng(0)
    valid = [i.arrays for i in chorales["valid"]]
    # A sampler that gives its frames in the wrong order.
    shuffled = []
    for arrays in valid:
        order = rng.permutation(len(arrays["tokens"]) - 1)
        shuffled.append({**arrays, "tokens": np.concatenate([arrays["tokens"][order], arrays["tokens"][-1:]])})
    training = pieces([i.arrays for i in chorales["train"]])
    copied = [p._replace(notes=[n._replace(pitch=n.pitch + 1) for n in p.notes]) for p in training[:31]]
    reference = pieces([i.arrays for i in chorales["test"]])
    sides = {"real": pieces(valid), "shuffled": pieces(shuffled), "copied": copied, "collapsed": [reference[0]] * 31}
    return {name: metrics.compare(side, reference, training) for name, side in sides.items()}


def test_real_music_is_near_real_music(compared):
    real = compared["real"]
    assert real["overlapped_area"]["mean"] > 0.75
    assert real["voice_leading"]["generated"]["parallel_fifths"] < 0.005
    assert abs(real["copy"]["generated"]["median"] - real["copy"]["held_out"]["median"]) <= 6
    for name in ("polyphony", "h1", "groove_consistency", "pitch_class_entropy"):
        np.testing.assert_allclose(real["generated"][name], real["reference"][name], rtol=0.1)
        low, high = real["generated_interval"][name]
        assert low < real["generated"][name] < high


def test_a_broken_model_is_seen(compared):
    real, shuffled = compared["real"], compared["shuffled"]
    assert shuffled["overlapped_area"]["mean"] < real["overlapped_area"]["mean"] - 0.05
    for rule in ("parallel_fifths", "parallel_octaves"):
        assert shuffled["voice_leading"]["generated"][rule] > 4 * real["voice_leading"]["generated"][rule]
    assert shuffled["copy"]["generated"]["median"] < real["copy"]["generated"]["median"]


def test_a_copied_set_is_seen(compared):
    copied = compared["copied"]["copy"]
    assert copied["generated"]["median"] > 2 * copied["held_out"]["max"]
    assert compared["copied"]["overlapped_area"]["mean"] > 0.75  # only the copy check tells


def test_a_collapsed_set_is_seen(compared):
    collapsed = compared["collapsed"]
    assert collapsed["overlapped_area"]["mean"] < 0.3
    assert collapsed["overlapped_area"]["pr"] < 0.1
    assert collapsed["overlapped_area_reference"]["mean"] > 0.5


def test_bars_are_those_that_nine_pieces_in_ten_have():
    some = [metrics.Piece([note_rolls.Note(0, 60, 0, 16 * n)], [False], 16, 16 * n) for n in [*range(8, 17), 3]]
    assert metrics.common_bars(some) == 8
    assert metrics.common_bars(some[-1:]) == 3


def test_the_command_says_what_the_function_finds(tmp_path, capsys, chorales):
    decode = codecs.get("chorale").decode
    (tmp_path / "music").mkdir()
    for index, item in enumerate(chorales["valid"][:6]):
        made = decode(item.arrays, 120.0)
        rendering.write(made, tmp_path / "music" / f"{index}.mid")
        if not index:
            rendering.write(made, tmp_path / "music" / f"{index}.musicxml")
    (tmp_path / "music" / "noise.mid").write_bytes(b"noise")
    argv = ["metrics", str(tmp_path / "music"), "--reference", "bach-chorales:test"]
    for more in (["--json"], []):
        with pytest.raises(SystemExit) as end:
            cli.main([*argv, *more])
        assert not end.value.code
    captured = capsys.readouterr()
    found = json.loads(captured.out[: captured.out.index("\n}") + 2])
    assert captured.err.count("passed over 1 of 7 files") == 2
    assert found["pieces"] == {"generated": 6, "reference": 34}
    assert found["training_set"] == "bach-chorales:train"
    assert set(found["generated"]) == set(found["reference"])
    assert set(found["copy"]["generated"]) == set(found["copy"]["held_out"]) == {"median", "max"}
    assert "mean" in found["overlapped_area"] and found["reference_bars"] >= 1
    assert set(found["voice_leading"]["generated"]) == set(found["voice_leading"]["reference"])
    assert tables.metrics(found) in captured.out


def test_what_is_left_out_of_the_files_of_a_side_is_counted_and_said(tmp_path, capfd):
    grace = "<note><grace/><pitch><step>D</step><octave>4</octave></pitch></note>"
    for number in range(2):
        text = musicxml_text.score([grace + musicxml_text.notes("C4 D4 E4 F4"), musicxml_text.notes("G4 F4 E4 D4")])
        (tmp_path / f"{number}.musicxml").write_text(text)
    with pytest.raises(SystemExit):
        cli.main(["metrics", str(tmp_path), "--reference", str(tmp_path), "--json"])
    captured = capfd.readouterr()
    assert captured.err.count(f"{tmp_path}: in 2 files 2 grace notes are left out\n") == 2
    counted = [{"remark": "2 grace notes are left out", "number": 2, "files": 2}]
    assert json.loads(captured.out)["losses"] == {"generated": counted, "reference": counted}
