"""Tests of the GAN benchmark: rolls as the codec reads them, distances, neighbours and changes."""

import numpy as np
import pieces
import pytest

from benchmarks import gan_latents, gan_measures, gan_page, gan_pictures, gan_report, published
from musejax import codecs

CODEC = codecs.get("rolls-chorale")
TABLE = CODEC.vocabulary


def test_the_published_distance_is_a_mean_of_shares():
    data = published.MUSEGAN_DATA
    assert gan_measures.published_distance(data) == 0
    twice = data._replace(eb=tuple(2 * x for x in data.eb), dp=data.dp / 2)
    assert gan_measures.published_distance(twice) == pytest.approx((5 * 1.0 + 0.5) / 14)


def test_what_changes_is_told_by_pitch_class_rhythm_and_track():
    before = np.stack([pieces.chorale_roll(0), pieces.chorale_roll(1)])
    octave = before.copy()
    octave[:, :, 1] = np.roll(before[:, :, 1], 12, -1)
    assert gan_latents.changes(TABLE, before, octave) == {"pitch_classes": 0.0, "rhythm": 0.0, "tracks": [0, 1, 0, 0]}
    late = before.copy()
    late[:, :, 0] = np.roll(before[:, :, 0], 2, 1)
    found = gan_latents.changes(TABLE, before, late)
    assert 0.3 < found["rhythm"] <= 0.4 and found["tracks"][1:] == [0, 0, 0] and found["tracks"][0] > 0.2
    semitone = gan_latents.changes(TABLE, before, np.roll(before, 1, -1))
    assert semitone["pitch_classes"] > 0.2 and semitone["rhythm"] == 0


def test_latent_vectors_have_musegans_names():
    names = ["shared", "shared-bars", "alto", "alto-bars", "bass", "bass-bars"]
    expected = ["style", "chord", "groove of alto", "melody of alto", "groove of bass", "melody of bass"]
    assert [gan_pictures.role(name) for name in names] == expected
    assert gan_pictures.pictured(names) == names[:4]


def test_a_page_of_no_section_is_a_page():
    text = gan_page.page({"about": {"a-run": {"of": "x", "weights": "abc", "step": 7}}})
    assert "| `a-run` |  | 7 | `abc` |" in text and "| jamming |" in text and "{" not in text


def test_runs_measured_before_stay_beside_new_ones_in_the_order_asked_for():
    before = {"real": {"x": 1}, "runs": {"old": 1, "gone": 2, "other": 3}}
    found = {"real": {"y": 2}, "runs": {"new": 4}}
    both = gan_report.join(before, found, ["old", "other"], ["new", "other", "old"])
    assert both == {"real": {"x": 1, "y": 2}, "runs": {"new": 4, "other": 3, "old": 1}}
    assert list(both["runs"]) == ["new", "other", "old"]
    assert gan_report.join({"old": 1}, {"new": 2}, [], ["new"]) == {"new": 2}
