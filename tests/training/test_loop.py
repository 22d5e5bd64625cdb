import dataclasses
import errno
import functools
import json
import math
import signal

import jax
import numpy as np
import pytest
import toy

from musejax import errors
from musejax.training import checkpoints, logs, loop, settings, step

TRAINING = settings.Training(steps=12, batch_size=4, window=8, eval_every=4, save_every=3, log_every=2)
OPTIMIZER = settings.Optimizer(learning_rate=0.05, warmup_steps=2, ema_decay=0.8)


class Cut:
    """A stream that does something before its n-th batch (the first serves to initialise)."""

    def __init__(self, n, act):
        self.inner, self.left, self.act = toy.plain_stream(), n, act

    def __next__(self):
        self.left -= 1
        if self.left == 0:
            self.act()
        return next(self.inner)

    def get_state(self):
        return self.inner.get_state()

    def set_state(self, state):
        self.inner.set_state(state)


@functools.cache
def compiled(model, optimizer, steps, seed):
    return step.make_step(model, optimizer, steps=steps, seed=seed)


def train(run, stream=None, model=None, training=TRAINING, optimizer=OPTIMIZER, validation=toy.validation):
    model = model or toy.make(dropout=0.3)
    s = compiled(model, optimizer, training.steps, training.seed)
    return loop.train(model, s, stream or toy.plain_stream(), validation, training, run)


def lines(run, part):
    found = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [x for x in found if x["part"] == part]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    run = tmp_path_factory.mktemp("whole")
    return run, train(run)


def assert_same_end(run, result, whole):
    assert checkpoints.digest(result.train_state) == checkpoints.digest(whole[1].train_state)
    assert (result.step, result.best, result.stopped) == (whole[1].step, whole[1].best, "done")
    strip = [{k: v for k, v in x.items() if k not in ("time", "tokens_per_second")} for x in lines(run, "valid")]
    other = [{k: v for k, v in x.items() if k not in ("time", "tokens_per_second")} for x in lines(whole[0], "valid")]
    assert strip == other
    assert [x["step"] for x in lines(run, "train")] == [2, 4, 6, 8, 10, 12]


def crash():
    raise RuntimeError("killed")


@pytest.mark.parametrize("at", [3, 6, 9, 12])
def test_a_resumed_run_ends_bit_for_bit_as_the_uninterrupted_one(at, tmp_path, whole):
    with pytest.raises(RuntimeError, match="killed"):
        train(tmp_path, Cut(at, crash))
    assert_same_end(tmp_path, train(tmp_path), whole)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_stops_and_the_run_goes_on(number, tmp_path, whole, capsys):
    old = signal.getsignal(number)
    result = train(tmp_path, Cut(6, lambda: signal.raise_signal(number)))
    assert (result.stopped, result.step) == (number.name, 5)
    assert signal.getsignal(number) is old
    assert_same_end(tmp_path, train(tmp_path), whole)
    assert "resuming from step 5" in capsys.readouterr().err


def test_a_finished_run_is_left_as_it_is(whole):
    again = train(whole[0], Cut(2, crash))
    assert checkpoints.digest(again.train_state) == checkpoints.digest(whole[1].train_state)
    assert again.best == whole[1].best


def test_the_best_checkpoint_is_the_best(whole):
    run, result = whole
    losses = {x["step"]: x["loss"] for x in lines(run, "valid")}
    assert result.best == (min(losses.values()), min(losses, key=losses.__getitem__))
    like = jax.eval_shape(lambda: (result.train_state.averaged, result.train_state.state))
    params, state, at = checkpoints.load(run, like, pytest.fail)
    assert at == result.best[1]
    values = loop.make_evaluate(toy.make())(params, state, toy.validation())
    np.testing.assert_allclose(values["loss"], result.best[0], rtol=1e-6)


def test_training_stops_early_when_the_loss_does_not_fall(tmp_path):
    training = dataclasses.replace(TRAINING, steps=40, eval_every=2, patience=2)
    result = train(tmp_path, training=training, optimizer=settings.Optimizer(learning_rate=1.0, warmup_steps=0))
    assert result.stopped == "early" and result.best is not None
    assert result.step == result.best[1] + 4 < 40
    losses = [x["loss"] for x in lines(tmp_path, "valid")]
    assert min(losses[-2:]) >= min(losses[:-2])
    assert train(tmp_path, training=training, optimizer=settings.Optimizer(learning_rate=1.0)).step == result.step


def test_the_weights_that_training_starts_from_may_be_the_best(tmp_path):
    training = dataclasses.replace(TRAINING, steps=20, eval_every=2, eval_first=True, patience=2)
    result = train(tmp_path, training=training, optimizer=settings.Optimizer(learning_rate=5.0, warmup_steps=0))
    found = lines(tmp_path, "valid")
    assert [x["step"] for x in found] == [0, 2, 4] and result.stopped == "early"
    assert result.best == (found[0]["loss"], 0)
    ts = compiled(toy.make(dropout=0.3), OPTIMIZER, 20, 0).init(jax.random.key(0), next(toy.plain_stream()))
    params, _, at = checkpoints.load(tmp_path, (ts.params, ts.state), pytest.fail)
    assert at == 0
    jax.tree.map(np.testing.assert_array_equal, params, ts.params)


def test_a_loss_that_is_not_finite_stops_training_and_names_the_last_checkpoint(tmp_path):
    with pytest.raises(errors.TrainingError) as e:
        train(tmp_path, model=toy.make(fail_at=7))
    assert str(e.value).startswith("loss is nan at step 8; the last good checkpoint is from step 6. Try a lower --opt")
    like = step.make_step(toy.make(), OPTIMIZER, steps=12, seed=0).init(jax.random.key(0), toy.source()[0])
    restored = checkpoints.Checkpoints(tmp_path).restore(like, pytest.fail)
    assert restored is not None and restored.step == 6
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(restored.train_state))


@pytest.mark.parametrize("at", [0, 2])
def test_before_the_first_checkpoint_the_message_says_so(at, tmp_path):
    with pytest.raises(errors.TrainingError, match=f"at step {at + 1}; there is no checkpoint yet"):
        train(tmp_path, model=toy.make(fail_at=at))
    assert not any(p.name.isdigit() for p in (tmp_path / "checkpoints" / "last").iterdir())


def test_a_gradient_that_is_not_finite_stops_training_before_it_is_saved(tmp_path):
    @jax.custom_jvp
    def broken(x):
        return x

    broken.defjvp(lambda primals, tangents: (primals[0], tangents[0] * math.nan))
    plain = toy.make()

    def loss(*args, step, train):
        mean, aux = plain.loss(*args, step=step, train=train)
        return (broken(mean) if train else mean), aux

    with pytest.raises(errors.TrainingError, match="grad_norm is nan at step 1"):
        train(tmp_path, model=plain._replace(loss=loss))


def test_without_validation_training_goes_to_the_end(tmp_path):
    result = train(tmp_path, validation=None, training=dataclasses.replace(TRAINING, steps=3))
    assert (result.step, result.best, result.stopped) == (3, None, "done")
    assert not lines(tmp_path, "valid")


def test_logs_that_cannot_be_written_stop_training_with_the_last_checkpoint(tmp_path, monkeypatch):
    write = logs.Logs.write

    def full(self, at, part, values):
        if at > 5:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, at, part, values)

    monkeypatch.setattr(logs.Logs, "write", full)
    with pytest.raises(errors.TrainingError, match="No space left on device.*last complete checkpoint is from step 3"):
        train(tmp_path)


def test_lines_that_a_kill_cut_or_that_lie_beyond_the_restored_step_are_dropped(tmp_path, whole):
    with pytest.raises(RuntimeError):
        train(tmp_path, Cut(9, crash))
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 8, "part": "train", "loss": 1.0}\nnoise\n{"step": 2, "pa')
    assert_same_end(tmp_path, train(tmp_path), whole)
    assert "noise" not in (tmp_path / "metrics.jsonl").read_text()


def test_tensorboard_events_are_written_when_asked(tmp_path):
    pytest.importorskip("tensorboardX")
    train(tmp_path, training=dataclasses.replace(TRAINING, steps=4, tensorboard=True))
    events = list((tmp_path / "tensorboard").glob("events.out.tfevents.*"))
    assert len(events) == 1
    data = events[0].read_bytes()
    assert b"train/loss" in data and b"valid/loss" in data


def test_without_being_asked_there_are_none(whole):
    assert not (whole[0] / "tensorboard").exists()
