"""Experiments, as defined in the files of configs/, and their training."""

import collections
import contextlib
import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

from musejax import codecs, errors, registry, runs
from musejax.corpora import preparation
from musejax.experiments import checks, reinforcement, starting_weights
from musejax.generation import piece_forms
from musejax.models import recurrent
from musejax.pipeline import batches, dataset, holdout, stream, windows
from musejax.runs import file_names
from musejax.training import adapters as lora
from musejax.training import freezing, lock, loop, mesh, priors, restoring
from musejax.training import settings as configs
from musejax.training import step as steps
from musejax.tuning import tuning_settings as tunings

# Number of training windows to which the prior of a VAE is fitted.
PRIOR_WINDOWS = 4096
FOLDERS = tuple(Path(__file__).parents[n] / "configs" for n in (1, 2))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment:
    """The settings of a training run.

    Attributes:
        name: Name of the run, and by default of its directory in runs/.
        data: A corpus, a folder of MIDI, MusicXML or ABC files, or a prepared data set.
        codec: Name of the codec; empty for that of the run in `init_from`.
        model: Config of the model's family; None for that of the run in `init_from`.
        optimizer: Settings of the optimiser.
        training: Settings of the training loop.
        init_from: Shipped run or run directory whose weights training starts from; empty for random weights.
        adapters: Settings of adapters, which are trained instead of the weights in `init_from`.
        tuning: Settings of reinforcement learning; None for training on the data.
    """

    name: str
    data: str
    codec: str
    model: Any = dataclasses.field(default_factory=recurrent.Config)
    optimizer: configs.Optimizer = dataclasses.field(default_factory=configs.Optimizer)
    training: configs.Training = dataclasses.field(default_factory=configs.Training)
    init_from: str = ""
    adapters: lora.Config = dataclasses.field(default_factory=lora.Config)
    tuning: tunings.Tuning | None = None

    @property
    def family(self) -> str:
        """Family of the model.

        Raises:
            errors.UserError: The model is not the config of a family.
        """
        return checks.family(self.model)


def names() -> list[str]:
    """Returns the names of the experiments that come with the package."""
    return sorted({p.stem for folder in FOLDERS if folder.is_dir() for p in folder.glob("*.py")})


def read(config: str) -> Experiment:
    """Reads an experiment.

    Args:
        config: Path of a Python file, or the name of an experiment that comes with the package.

    Raises:
        errors.UserError: The experiment does not exist, or the file does not define a valid `config`.
    """
    files = [Path(config)] if config.endswith(".py") else [f / f"{config}.py" for f in FOLDERS]
    file = next((f for f in files if f.is_file()), None)
    if file is None:
        raise errors.UserError(
            f"no experiment {config!r}; give a Python file that defines `config`, or one of {', '.join(names())}"
        )
    module = registry.load_file(file)
    registry.register(*registry.records(module), origin=file.name)
    experiment = getattr(module, "config", None)
    if not isinstance(experiment, Experiment):
        raise errors.UserError(f"{file} does not define `config`, an experiments.Experiment")
    try:
        checks.parts(experiment)
    except errors.UserError as error:
        raise errors.UserError(f"{file}: {error}") from None
    return experiment


def build(experiment: Experiment, data: dataset.Dataset) -> Any:
    """Builds the model of an experiment for the vocabulary of its data.

    Raises:
        errors.UserError: The config is invalid, or does not fit the vocabulary.
    """
    checks.choices(experiment.model, "model")
    try:
        return registry.get("family", experiment.family).build(experiment.model, data.vocabulary)
    except ValueError as error:
        raise errors.UserError(f"--model: {error}") from None


def run(experiment: Experiment, workdir: Path, say: Callable[[str], None]) -> loop.Result:
    """Trains an experiment in a run directory, resuming an earlier run if there is one.

    Args:
        experiment: The experiment.
        workdir: Path of the run directory, which is created if it does not exist.
        say: Receives messages about the data and the starting weights.

    Raises:
        errors.UserError: The experiment is invalid.
        errors.TrainingError: Training failed.
    """
    if not experiment.data:
        raise errors.UserError(f"{experiment.name} has no data; give a corpus, a folder or a prepared file by --data")
    experiment = starting_weights.completed(experiment, None)
    file_names.check(experiment.name, "--name")
    checks.settings(experiment.training, experiment.optimizer)
    with contextlib.ExitStack() as stack:
        take = functools.partial(stack.enter_context, lock.hold(workdir))
        if (workdir / "run.json").exists():
            runs.read_description(workdir)  # rejects a run of another version before the data are read
            take()
            return _train(experiment, workdir, say, lambda: None)
        return _train(experiment, workdir, say, take)


def _train(experiment: Experiment, workdir: Path, say: Callable[[str], None], take: Callable[[], None]) -> loop.Result:
    """Trains as `run` does; `take` locks the run directory and is called after all checks."""
    training = experiment.training
    is_known = registry.is_known("codec", experiment.codec)
    if training.bars and is_known:
        windows.check(codecs.get(experiment.codec).vocabulary, training.bars, training.window)
    data = holdout.hold_out(preparation.prepare(experiment.data, experiment.codec, say), training.hold_out)
    if training.bars and not is_known:
        windows.check(data.vocabulary, training.bars, training.window)
    model = build(experiment, data)
    checks.pieces(model, training, data.vocabulary.bar if data.vocabulary.tracks else 0)
    start = starting_weights.start(experiment, model, data.vocabulary, workdir, say)
    optimizer, tuning = experiment.optimizer, experiment.tuning
    if tuning is not None:
        adapted = start.model if experiment.adapters.rank else None
        model = reinforcement.bind(
            tuning, model, experiment.family, data, training.batch_size, training.window, say, adapted
        )
    else:
        model = start.model
    try:
        if freezing.is_enabled(optimizer):
            like, _ = jax.eval_shape(model.init, jax.random.key(0), data.vocabulary.example_batch())
            freezing.assign_groups(optimizer, restoring.flat(like), start.restored)
        devices = mesh.make(mesh.choose_device_count(model, data.vocabulary.example_batch(), training.batch_size))
        step = steps.make_step(
            model, optimizer, steps=training.steps, seed=training.seed, restored=start.restored, devices=devices
        )
    except ValueError as error:
        raise errors.UserError(f"--optimizer: {error}") from None
    sizes = {s: len(i) for s, i in data.splits.items()}
    data = windows.cut_windows(data, training.bars)
    train_items, valid_items = data.split("train"), data.splits.get("valid", [])
    if tuning is not None:
        valid_items = reinforcement.heads(valid_items, training.window, tuning.validation)
    description = runs.describe(
        name=experiment.name,
        family=experiment.family,
        model=experiment.model,
        vocabulary=data.vocabulary,
        data={
            "source": data.source,
            "pieces": sizes,
            "report": {name: entry for name, entry in data.report.items() if name != "files"},  # file names are private
            "keys": _keys(train_items),
            **({"forms": piece_forms.form_lines(train_items)} if model.info.samplers else {}),
        },
        optimizer=experiment.optimizer,
        training=training,
        tuning=tuning,
    )
    description |= start.description
    take()
    runs.start(workdir, description)
    say(f"{data.source}: " + ", ".join(f"{n} {s}" for s, n in sizes.items()) + f" pieces as {data.vocabulary.name}")
    lines = preparation.passed_over(experiment.data, data) + preparation.losses(data)
    for line in lines + holdout.tell(data) + windows.tell(data):
        say(line)
    if model.features is not None:
        features = jax.jit(model.features)
        train_items, valid_items = (batches.derive(items, features) for items in (train_items, valid_items))
    source = batches.Batches(
        train_items,
        data.vocabulary,
        batch_size=training.batch_size,
        window=training.window,
        context=training.context,
        transpose=training.transpose,
        seed=training.seed,
    )
    validation = functools.partial(_validation, valid_items, training.eval_batch_size) if valid_items else None
    result = loop.train(model, start.begin(step), stream.open(source), validation, training, workdir, devices)
    has_encoder = model.latent is not None and model.latent.encode is not None
    if result.stopped in ("done", "early"):
        best_loss, best_step = result.best or (None, None)
        summary = {"stopped": result.stopped, "step": result.step, "best_step": best_step, "best_loss": best_loss}
        runs.record(workdir, {**summary, "learnt": result.learnt})
        if has_encoder:
            _fit_prior(workdir, source, say)
    return result


def _fit_prior(workdir: Path, source: batches.Batches, say: Callable[[str], None]) -> None:
    """Fits the prior of a trained VAE to training windows, if its best checkpoint has no prior yet."""
    run = runs.load(workdir, say)
    if "latent_prior" in run.variables["state"]:
        return
    pieces = (source[i] for i in range(-(-PRIOR_WINDOWS // source.batch_size)))
    try:
        prior = priors.fit(run.model, run.variables["params"], run.variables["state"], pieces)
        priors.write(workdir, prior, run.step)
    except ValueError as error:
        say(f"{workdir}: no prior is fitted: {error}")
    except OSError as error:
        raise errors.TrainingError(f"{workdir} cannot be written ({error.strerror or error})") from error


def _keys(items: list[dataset.Item]) -> dict[str, int]:
    """Counts the pieces in each initial key, if the codec has keys; unconditional samples choose keys in proportion."""
    counts = collections.Counter(int(i.arrays["key"][0]) for i in items if len(i.arrays.get("key", ())))
    return {str(key): counts[key] for key in sorted(counts)}


def _validation(items: list[dataset.Item], batch_size: int) -> Any:
    return (batch for _, batch in batches.whole(items, batch_size))
