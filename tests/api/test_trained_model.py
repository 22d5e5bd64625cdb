"""A loaded model has the public functions as methods; weights of one's own become a run."""

import inspect

import jax
import numpy as np
import optax
import pytest

import musejax
from musejax import errors, registry
from musejax.music import noteseq

METHODS = (
    "sample", "harmonize", "infill", "accompany", "reconstruct", "interpolate", "humanize", "personalize", "evaluate"
)  # fmt: skip
FAMILIES = registry.names("family")


@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_the_function(name):
    assert inspect.getattr_static(musejax.TrainedModel, name) is getattr(musejax, name)


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A tiny model whose weights were made here, saved as a run."""
    model = musejax.create("mono-rnn", hidden=8, num_layers=1)
    params, state = model.init(jax.random.key(0), model.example_batch())
    path = tmp_path_factory.mktemp("own") / "mine"
    variables = {"params": params, "state": state}
    return model, variables, musejax.save(model, variables, path, step=3), path


def test_saved_weights_are_a_run(own):
    model, variables, trained, path = own
    assert trained.name == "mine" and trained.config["family"] == model.info.family == "recurrent"
    jax.tree.map(np.testing.assert_array_equal, trained.variables["params"], variables["params"])
    (one,) = trained.sample(1, seed=2, length=32)
    (same,) = musejax.sample(path, 1, seed=2, length=32)
    assert one.sequence == same.sequence and one.log_prob == same.log_prob
    with pytest.raises(errors.UserError, match="mine names no data of its own; give --data"):
        trained.evaluate()


def test_what_cannot_be_saved_is_refused(own, tmp_path):
    model, variables, _, path = own
    with pytest.raises(errors.UserError, match="mine exists; give a new directory"):
        musejax.save(model, variables, path)
    wrong = jax.tree.map(lambda leaf: leaf[..., :1], variables["params"])
    with pytest.raises(errors.UserError, match="params: .* has shape .*, and the model has"):
        musejax.save(model, variables | {"params": wrong}, tmp_path / "wrong")
    stranger = model._replace(info=model.info._replace(family="my-family"))
    with pytest.raises(errors.UserError, match="family 'my-family' is not registered"):
        musejax.save(stranger, variables, tmp_path / "stranger")
    assert not list(tmp_path.iterdir())


def test_a_piece_writes_itself(own, tmp_path):
    (piece,) = own[2].sample(1, seed=2, length=32)
    assert repr(piece).startswith(f"Piece({len(piece.sequence.notes)} notes, ") and len(repr(piece)) < 80
    piece.write(tmp_path / "a.mid")
    piece.write(tmp_path / "a.npz")
    with pytest.raises(errors.UserError, match="a.mid exists; give another path, or overwrite=True"):
        piece.write(tmp_path / "a.mid")
    piece.write(tmp_path / "a.mid", overwrite=True)
    (again,) = musejax.read(tmp_path / "a.mid")
    assert [n.pitch for n in again.notes] == [n.pitch for n in piece.sequence.notes]
    with np.load(tmp_path / "a.npz") as arrays:
        np.testing.assert_array_equal(arrays["tokens"], piece.arrays["tokens"])


def test_files_are_not_written_over(tmp_path):
    sequence = noteseq.load().NoteSequence()
    sequence.notes.add(pitch=60, velocity=80, end_time=1.0)
    musejax.write(sequence, tmp_path / "b.musicxml", say=lambda text: None)
    with pytest.raises(errors.UserError, match="b.musicxml exists"):
        musejax.write(sequence, tmp_path / "b.musicxml")
    (again,) = musejax.read(tmp_path / "b.musicxml", say=lambda text: None)
    assert [n.pitch for n in again.notes] == [60]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_example_batch_of_every_family_has_its_layout(family):
    record = registry.get("family", family)
    name = next(iter(record.presets))
    codec, config = record.presets[name]
    from musejax import codecs

    model = record.build(record.tiny(config), codecs.get(codec).vocabulary)
    batch = model.example_batch(rows=3)
    assert model.info.family == family and model.info.vocabulary == codecs.get(codec).vocabulary
    assert {"pad_mask", "loss_mask"} <= set(batch) and all(len(array) == 3 for array in batch.values())
    shapes = jax.eval_shape(lambda key: model.init(key, batch), jax.random.key(0))
    assert jax.tree.leaves(shapes[0])


def test_an_own_loop_trains_on_the_example_batch():
    model = musejax.create("mono-rnn", hidden=8, num_layers=1)
    batch = model.example_batch(rows=2, frames=8)
    params, state = model.init(jax.random.key(0), batch)
    optimizer = optax.adam(1e-2)
    memory = optimizer.init(params)

    @jax.jit
    def step(params, memory, key):
        def loss(params):
            return model.loss(params, state, key, batch, step=0, train=True)[0]

        cost, grads = jax.value_and_grad(loss)(params)
        updates, memory = optimizer.update(grads, memory, params)
        return optax.apply_updates(params, updates), memory, cost

    costs = []
    for number in range(20):
        params, memory, cost = step(params, memory, jax.random.key(number))
        costs.append(float(cost))
    assert costs[-1] < 0.8 * costs[0]


def test_fields_of_an_experiment_are_replaced(tmp_path):
    folder = tmp_path / "tunes"
    folder.mkdir()
    for number in range(4):
        sequence = noteseq.load().NoteSequence()
        for index in range(64):
            sequence.notes.add(
                pitch=60 + (index * (number + 2)) % 12, velocity=80, start_time=index / 2, end_time=index / 2 + 0.5
            )
        sequence.total_time = 32.0
        musejax.write(sequence, folder / f"{number}.mid")
    result = musejax.train(
        "melody-lstm",
        tmp_path / "run",
        fields={
            "data": str(folder), "training.steps": 2, "training.batch_size": 2, "training.window": 16,
            "model.hidden": 8, "training.eval_every": 2, "optimizer.learning_rate": 1e-5,
        },
        say=lambda text: None,
    )  # fmt: skip
    assert result.step == 2
    trained = musejax.load(tmp_path / "run")
    assert trained.config["model"]["hidden"] == 8 and trained.config["optimizer"]["learning_rate"] == 1e-5
    musejax.pack(tmp_path / "run", tmp_path / "packed", bits=8)
    assert musejax.load(tmp_path / "packed").name == trained.name
    with pytest.raises(errors.OptionError, match="bits is 7: choose from 8 and 16"):
        musejax.pack(tmp_path / "run", tmp_path / "other", bits=7)
