"""Learning curves of runs."""

import json

import pytest

from musejax import cli, errors
from musejax.rendering import learning_curves


def _run(folder, losses, valid=()):
    folder.mkdir()
    lines = [{"step": 10 * i, "part": "train", "loss": loss} for i, loss in enumerate(losses, 1)]
    lines += [{"step": 10 * i, "part": "valid", "loss": loss, "best": 1.0} for i, loss in enumerate(valid, 1)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"step": 9')
    return folder


def test_losses_are_read_and_drawn(tmp_path):
    curves = learning_curves.read(_run(tmp_path / "a", [3.0, float("nan"), 2.0], [2.5, 2.0, 2.25]))
    assert curves.train == [(10, 3.0), (30, 2.0)] and curves.valid == [(10, 2.5), (20, 2.0), (30, 2.25)]
    (axes,) = learning_curves.figure({"a": curves}).axes
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["a, training", "a, validation (best 2.0000 at step 20)"]
    assert [tuple(line.get_xdata()) for line in axes.lines] == [(10, 30), (10, 20, 30), (20,)]


def test_plot_writes_into_the_run_or_where_it_is_told(tmp_path, capsys):
    one, two = _run(tmp_path / "one", [3.0], [2.0]), _run(tmp_path / "two", [4.0])
    for command in ([str(one)], [str(one)], [str(one), str(two), "--out", str(tmp_path / "both.svg")]):
        with pytest.raises(SystemExit) as end:
            cli.main(["plot", *command])
        assert end.value.code == 0
    assert (one / "learning-curve.png").read_bytes().startswith(b"\x89PNG")
    drawn = (tmp_path / "both.svg").read_text()
    assert "<svg" in drawn and str(tmp_path / "both.svg") in capsys.readouterr().err


@pytest.mark.parametrize("content", [None, "", '{"step": 1, "part": "train"}\n'])
def test_a_run_without_losses_is_refused(content, tmp_path):
    if content is not None:
        (tmp_path / "metrics.jsonl").write_text(content)
    with pytest.raises(errors.UserError, match="cannot be read" if content is None else "has no losses"):
        learning_curves.read(tmp_path)


def test_another_suffix_is_refused(tmp_path):
    with pytest.raises(errors.UserError, match=r"written as \.png or \.svg"):
        learning_curves.write({}, tmp_path / "curve.pdf")
