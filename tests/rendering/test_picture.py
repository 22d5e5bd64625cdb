import io

import matplotlib.image
import pytest
from matplotlib import colors

from musejax.music import noteseq
from musejax.rendering import picture


def _long(bars):
    sequence = noteseq.load().NoteSequence()
    for at in range(bars):
        sequence.notes.add(pitch=60 + at % 12, velocity=60 + at % 40, start_time=2 * at, end_time=2 * at + 2)
    return sequence


def test_every_voice_has_its_colour_and_its_name(chorale):
    drawn = picture.figure(chorale, "A piece")
    legend = drawn.legends[0]
    assert [text.get_text() for text in legend.get_texts()] == ["Soprano", "Alto", "Tenor", "Bass"]
    shown = {colors.to_hex(c) for c in drawn.axes[0].collections[-1].get_facecolors()}
    assert shown == {colors.to_hex(handle.get_facecolor()) for handle in legend.get_patches()}
    assert [text.get_text() for text in drawn.texts] == ["A piece"]


def test_bars_are_numbered_after_the_pickup_and_octaves_named(chorale):
    axes = picture.figure(chorale).axes[0]
    assert [(tick.get_text(), at) for tick, at in zip(axes.get_xticklabels(), axes.get_xticks())] == [
        ("1", 1),
        ("2", 4),
        ("3", 7),
    ]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["C2", "C3", "C4", "C5"]
    assert list(axes.get_yticks()) == [36, 48, 60, 72]


@pytest.mark.parametrize(("bars", "rows"), [(8, 1), (16, 1), (17, 2), (64, 4), (700, 35)])
def test_long_pieces_go_on_in_further_rows(bars, rows):
    drawn = picture.figure(_long(bars))
    assert len(drawn.axes) == rows
    limits = [axes.get_xlim() for axes in drawn.axes]
    assert limits[0][0] == 0 and limits[-1][1] == 4 * bars
    assert [end for _, end in limits[:-1]] == [start for start, _ in limits[1:]]
    for axes in drawn.axes:
        box = axes.get_position()
        assert 0 < box.x0 < box.x1 <= 1 and 0 < box.y0 < box.y1 < 1


def test_strange_names_do_no_harm(polyphony):
    polyphony.instrument_infos.add(instrument=0, name="_$x^2$ 音楽 " + "long " * 20)
    polyphony.sequence_metadata.title = "$5 & <b>"
    pixels = matplotlib.image.imread(io.BytesIO(picture.to_bytes(polyphony)))
    assert pixels.ndim == 3 and pixels.min() < 0.5


def test_many_voices_fit():
    sequence = noteseq.load().NoteSequence()
    for instrument in range(12):
        sequence.notes.add(pitch=40 + instrument, velocity=80, end_time=1, instrument=instrument)
    texts = [text.get_text() for text in picture.figure(sequence).legends[0].get_texts()]
    assert len(texts) == 8 and texts[-1].endswith("and others")
