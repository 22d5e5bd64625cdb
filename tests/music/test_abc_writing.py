"""Writing ABC: what was read comes back, and what the text looks like."""

import abc_tunes as abc
import pytest

from musejax import cli, errors
from musejax.corpora import folk
from musejax.music import abc_reading, abc_writing, loss_counts, noteseq

TUNES = [
    "M:4/4\nL:1/4\nK:C\nCDEF|GABc|",
    "M:3/4\nL:1/4\nQ:1/4=80\nK:G\nD|G2B|B2A|G2G|A3|B2d|d2c|G2||",
    "M:6/8\nL:1/8\nQ:3/8=100\nK:Ador\n|:E|A2B c>BA|(3efg e2 d/c/|A3:|",
    "M:4/4\nL:1/8\nK:Cm\n^F=F_G2 z2[CEG]2|(3:2:2C2D (5:4:5EFGAB c2|c8-|c8-|c4 Z2|",
    "M:4/4\nL:1/4\nK:D\nA>B c<d|e>>f g<<a|(3A>BA (3A2B A|A2-(3AAA|",
    "M:4/4\nL:1/4\nK:F\nCDEF|[M:3/4][K:Am]G^AB|[Q:1/4=72.5]c3|[M:2/4][K:Eb]ef|",
    'M:4/4\nL:1/4\nK:C\n"Am7"A2 !fermata!"D/F#"d2|"N.C."z2"G"G2|A4|"C"Hc4|',
    "M:4/4\nL:1/4\nK:C\nCDEF|GABc|\nw: hal-le- lu\\-jah__ a~b | caf\\'e * 5%",
    "M:4/4\nL:1/4\nK:C\nC4-|C2 DE|\nw: long | gone a\\_b",
    "M:none\nL:1/4\nK:C\nCDEFG|AB|cdef|",
    "M:4/4\nL:1/4\nK:C\nCDEF|GAB|cdef|GA|B4|G4|",
    "M:4/4\nL:1/4\nK:none\n^F_G=FF|f^f_e=e|",
    "M:2/4\nL:1/4\nK:C\nC2|[Q:1/4=60]D[Q:1/4=90]E|F2-|F[K:D]F|",
    'M:4/4\nL:1/4\nC:A. Composer\nC:B. Other\nV:1 name="So\\u0022pran"\nV:2 name="Bass & Co" clef=bass\n'
    "%%MIDI program 32\nV:3\n%%MIDI channel 10\nK:D\nV:1\nz4|F2[FA]2|\nw: ah oh\nV:2\nD,4|F,2 & x D,|\nV:3\nCCDD|Z|",
    "M:4/4\nL:1/4\nK:C\n[CE]2-[CG]2|C4 & E2-E2|[CE]4- & z2G2|[CE]2G2|",
    "M:4/2\nL:1/4\nK:C\nC12|D12|E8|",
    "M:3/4\nL:1/8\nK:C\n(9C/4D/4E/4F/4G/4A/4B/4c/4d/4 e2f2|(3C//D//E// F7/2z2|",
    "M:3/8\nL:1/16\nK:Bm\n(3fga|b2a2(3gfe|d6-|d2z2:|",
]  # fmt: skip


def facts(sequence):
    """All that ABC keeps of a sequence, in quarters."""
    return {
        "notes": [abc.notes(sequence, part) for part in range(1 + max(n.part for n in sequence.notes))],
        "programs": {(n.part, n.program, n.is_drum) for n in sequence.notes},
        "metres": abc.metres(sequence),
        "keys": abc.keys(sequence),
        "tempos": abc.tempos(sequence),
        "annotations": sorted(abc.annotations(sequence)),
        "title": sequence.sequence_metadata.title,
        "composers": list(sequence.sequence_metadata.composers),
        "end": abc.quarters(sequence, [sequence.total_time]),
    }


def written(sequence):
    """A sequence as it comes back, and its text."""
    text = abc_writing.to_bytes(sequence).decode()
    losses = loss_counts.Losses()
    sequence = abc_reading.abc_to_sequence(text, losses=losses)
    assert not loss_counts.remarks(losses)
    return sequence, text


@pytest.mark.parametrize("tune", TUNES)
def test_what_was_read_comes_back(tune):
    source = abc_reading.abc_to_sequence(f"X:1\nT:100% \\'Etude\n{tune}\n")
    again, text = written(source)
    assert facts(again) == facts(source) | ({} if source.key_signatures else {"keys": abc.keys(again)})
    # Written once more the text is the same.
    assert written(again)[1] == text


def test_names_of_voices_come_back():
    again, _ = written(abc_reading.abc_to_sequence("X:1\n" + TUNES[13]))
    assert [info.name for info in again.part_infos] == ['So"pran', "Bass & Co", "Drums"]


@pytest.mark.slow
def test_all_folk_tunes_come_back():
    for tune in folk.tunes():
        source = abc_reading.abc_to_sequence(tune.text)
        again = written(source)[0]
        assert facts(again) == facts(source) | ({} if source.key_signatures else {"keys": abc.keys(again)}), tune.name


def test_a_tune_reads_as_one_writes_it():
    source = abc_reading.abc_to_sequence(
        'X:1\nT:Tune\nM:3/4\nL:1/4\nQ:1/4=90\nK:G\nD|"G"G2^c|(3FGA B2|G2 z|G3-|G2|\nw: a b- c d * * e\n'
    )
    assert abc_writing.to_bytes(source).decode() == (
        "X:1\nT:Tune\nM:3/4\nL:1/8\nQ:1/4=90\nK:G\n"
        'D2 | "G"G4 ^c2 | (3F2G2A2 B4 | G4 z2 |\nw: a b- c d * * e\nG6- | G4 |]\n'
    )


def sequence(*notes, **kwargs):
    out = noteseq.load().NoteSequence()
    for pitch, start, end in notes:
        out.notes.add(pitch=pitch, start_time=start, end_time=end, velocity=80, **kwargs)
    out.total_time = max(n.end_time for n in out.notes)
    return out


def test_times_off_every_simple_fraction_go_to_24ths_and_the_shift_is_known():
    source = sequence((60, 0.0, 0.5), (62, 0.5123, 1.0), (64, 1.0, 1.001))
    said = []
    again = abc_reading.abc_to_sequence(abc_writing.to_bytes(source, said.append).decode())
    assert abc.notes(again) == [
        (60, 0, 1),
        (62, pytest.approx(25 / 24, abs=1e-6), 2),
        (64, 2, pytest.approx(49 / 24, abs=1e-6)),
    ]
    assert [line.split(";")[0] for line in said] == [
        "2 notes move to a grid of 1/24 quarter note, by at most 0.040 quarter notes",
        "it has no key",
    ]


def test_a_pickup_from_midi_is_written_as_one():
    source = sequence((62, 0.0, 0.5), (67, 0.5, 1.5), (71, 1.5, 2.0), (69, 2.0, 3.5))
    source.time_signatures.add(numerator=1, denominator=4)
    source.time_signatures.add(time=0.5, numerator=3, denominator=4)
    again, text = written(source)
    assert "M:3/4" in text and "M:1/4" not in text
    assert abc.metres(again) == [(0, (1, 4)), (1, (3, 4))]
    assert abc.notes(again) == abc.notes(source)


def test_unisons_of_one_part_keep_their_lengths():
    source = sequence((60, 0.0, 2.0), (60, 0.0, 1.0), (60, 0.0, 1.0), (60, 1.0, 2.0))
    assert abc.notes(written(source)[0]) == abc.notes(source)


def test_nothing_to_write_is_refused():
    with pytest.raises(errors.UserError, match="no notes"):
        abc_writing.to_bytes(noteseq.load().NoteSequence())
    far = sequence((60, 0.0, 0.5), (60, 20_000.0, 20_000.5))
    far.time_signatures.add(numerator=1, denominator=64)
    with pytest.raises(errors.UserError, match="at most"):
        abc_writing.to_bytes(far)


def test_convert_writes_abc(tmp_path, capsys):
    path = tmp_path / "tune.abc"
    path.write_text(abc.text("G|CDEF|GAB|"))
    with pytest.raises(SystemExit) as end:
        cli.main(["convert", str(path), "--to", "abc,mid", "--out", str(tmp_path / "out")])
    assert not end.value.code
    (again,) = map(abc_reading.abc_to_sequence, abc_reading.abc_tunes((tmp_path / "out" / "tune.abc").read_text()))
    assert abc.notes(again) == abc.notes(abc.read("G|CDEF|GAB|"))
    assert len(list((tmp_path / "out").iterdir())) == 2
