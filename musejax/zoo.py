"""What there is: presets and shipped runs by name. Nothing heavy is imported until a model is asked for.

Parameter counts stand in the table so that `musejax list` answers at once; a test compares them with the models.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from musejax import codecs, errors

if TYPE_CHECKING:
    from musejax.base import Model
    from musejax.vocabulary import Vocabulary

SHIPPED = Path(__file__).parent / "shipped"


class Entry(NamedTuple):
    """One model of the zoo.

    Attributes:
        name: A preset, or a shipped run.
        family: Its family.
        codec: Its representation.
        parameters: How many.
        shipped: Whether trained weights come with the package.
    """

    name: str
    family: str
    codec: str
    parameters: int
    shipped: bool


ENTRIES: tuple[Entry, ...] = (
    Entry("sketch-lstm", "recurrent", "melody-100", 211044, False),
    Entry("basic-rnn", "recurrent", "melody-basic", 221990, False),
    Entry("mono-rnn", "recurrent", "melody", 280962, False),
    Entry("performance", "recurrent", "performance-356", 6160740, False),
    Entry("performance-with-dynamics", "recurrent", "performance", 6242692, False),
    Entry("rnn-nade", "recurrent", "pianoroll-88", 424664, False),
    Entry("jsb16-voices", "recurrent", "chorale-pitches", 1537998, False),
    Entry("chorale-voices", "recurrent", "chorale", 1652678, False),
    Entry("pianoroll-keys", "recurrent", "pianoroll-88", 796088, False),
    Entry("pianoroll-nade", "recurrent", "pianoroll-88", 825912, False),
    Entry("music-transformer", "transformer", "performance", 14321668, False),
    Entry("music-transformer-jsb16", "transformer", "chorale-pitches", 1068335, False),
    Entry("jsb16-frames", "transformer", "chorale-pitches", 4846286, False),
    Entry("chorale-frames", "transformer", "chorale", 4079014, False),
    Entry("melody-frames", "transformer", "melody-basic", 2073134, False),
    Entry("pianoroll-attention", "transformer", "pianoroll-88", 891512, False),
    Entry("pop-tracks", "transformer", "tracks", 1813650, False),
    Entry("mel-2bar-small", "music_vae", "melody-90", 4423770, False),
    Entry("mel-2bar-big", "music_vae", "melody-90", 134571098, False),
    Entry("mel-2bar-places", "music_vae", "melody-90", 2705754, False),
    Entry("mel-2bar-chords", "music_vae", "melody-90-chords", 17601114, False),
    Entry("drums-2bar-small", "music_vae", "drums", 6692864, False),
    Entry("drums-2bar-big", "music_vae", "drums", 145806848, False),
    Entry("drums-2bar-nade", "music_vae", "drums-bits", 13811081, False),
    Entry("mel-16bar-places", "music_vae", "melody-90", 6768858, False),
    Entry("mel-16bar-flat", "music_vae", "melody-90", 235250778, False),
    Entry("mel-16bar-hierarchical", "music_vae", "melody-90", 178154586, False),
    Entry("trio-16bar-flat", "music_vae", "trio", 251279028, False),
    Entry("trio-16bar-hierarchical", "music_vae", "trio", 233068212, False),
    Entry("groove-4bar", "music_vae", "groove", 4085019, False),
    Entry("groove-4bar-humanize", "music_vae", "groove", 4011291, False),
    Entry("sketch-vae", "dense_vae", "melody-100", 704, False),
    Entry("roll-vae", "dense_vae", "pianoroll-88", 1731520, False),
    Entry("musegan", "musegan", "rolls-band", 9594565, False),
    Entry("musegan-v3", "musegan", "rolls-band-12", 6299743, False),
    Entry("musegan-chorale", "musegan", "rolls-chorale", 242484, False),
    Entry("musegan-pop", "musegan", "rolls-pop", 375731, False),
    Entry("sketch-gan", "dense_gan", "melody-100", 1021413, False),
    Entry("coconet-64", "coconet", "chorale-pitches", 9172744, False),
    Entry("coconet-16", "coconet", "chorale-pitches", 133576, False),
    Entry("coconet-frames", "coconet", "chorale-pitches", 2771136, False),
    Entry("deep-bach-256", "deep_bach", "chorale", 8914660, False),
    Entry("deep-bach-shared", "deep_bach", "chorale", 1887248, False),
    Entry("chorale-lstm", "recurrent", "chorale", 1652678, True),
    Entry("jsb16-lstm", "recurrent", "chorale-pitches", 1537998, True),
    Entry("melody-lstm", "recurrent", "melody-basic", 221990, True),
    Entry("melody-rl", "recurrent", "melody-basic", 221990, True),
    Entry("chorale-transformer", "transformer", "chorale", 4079014, True),
    Entry("jsb16-transformer", "transformer", "chorale-pitches", 4846286, True),
    Entry("melody-transformer", "transformer", "melody-basic", 2073134, True),
    Entry("pop-melody", "transformer", "melody-basic", 2073134, True),
    Entry("pop-transformer", "transformer", "tracks", 1813650, True),
    Entry("deep-bach", "deep_bach", "chorale", 1887248, True),
    Entry("coconet", "coconet", "chorale-pitches", 3465856, True),
    Entry("melody-vae-2bar", "music_vae", "melody-90", 2705754, True),
    Entry("melody-vae-16bar", "music_vae", "melody-90", 6768858, True),
    Entry("chorale-gan", "musegan", "rolls-chorale", 322500, True),
    Entry("pop-gan", "musegan", "rolls-pop", 694115, True),
    Entry("bl-jsb-lstm", "recurrent", "pianoroll-88", 796088, True),
    Entry("bl-nottingham-lstm", "recurrent", "pianoroll-88", 796088, True),
    Entry("bl-musedata-lstm", "recurrent", "pianoroll-88", 796088, True),
    Entry("bl-piano-midi-lstm", "recurrent", "pianoroll-88", 796088, True),
    Entry("bl-jsb-nade", "recurrent", "pianoroll-88", 825912, True),
    Entry("bl-nottingham-nade", "recurrent", "pianoroll-88", 825912, True),
    Entry("bl-musedata-nade", "recurrent", "pianoroll-88", 825912, True),
    Entry("bl-piano-midi-nade", "recurrent", "pianoroll-88", 825912, True),
    Entry("bl-jsb-transformer", "transformer", "pianoroll-88", 891512, True),
    Entry("bl-nottingham-transformer", "transformer", "pianoroll-88", 891512, True),
)


class Loaded(NamedTuple):
    """A trained model, ready to use.

    Attributes:
        model: The record of pure functions.
        variables: `params` and `state`.
        codec: How its arrays are read from and written to NoteSequences.
        config: The whole of its run.json.
        name: The run's name.
    """

    model: "Model"
    variables: dict[str, Any]
    codec: codecs.Codec
    config: dict[str, Any]
    name: str


def list_models() -> list[str]:
    """Names of all presets and shipped runs."""
    return [e.name for e in ENTRIES]


def entry(name: str) -> Entry:
    """The entry of a name.

    Raises:
        errors.UserError: There is none.
    """
    for e in ENTRIES:
        if e.name == name:
            return e
    raise errors.UserError(f"no model {name!r}; the models are {', '.join(list_models())}")


def create(name: str, **overrides: Any) -> tuple["Model", "Vocabulary"]:
    """A preset as an untrained model, and the vocabulary that it is made for.

    Args:
        name: A preset.
        **overrides: Fields of the family's config to change.

    Raises:
        errors.UserError: No such preset, or the fields do not fit it.
    """
    import dataclasses

    from musejax import models

    family = models.family(entry(name).family)
    if name not in family.PRESETS:
        raise errors.UserError(f"{name} is a shipped run; read it with load, or give a preset")
    codec, config = family.PRESETS[name]
    vocabulary = codecs.get(codec).vocabulary
    try:
        return family.make(dataclasses.replace(config, **overrides), vocabulary), vocabulary
    except (TypeError, ValueError) as error:
        raise errors.UserError(f"{name}: {error}") from error


def find(model: str | Path) -> Path:
    """The run directory of a shipped run's name, or of a path.

    Raises:
        errors.UserError: It is neither; nothing is made.
    """
    path = Path(model)
    if isinstance(model, str) and (SHIPPED / model / "run.json").is_file() and not (path / "run.json").is_file():
        return SHIPPED / model
    if path.is_dir():
        return path
    shipped = ", ".join(e.name for e in ENTRIES if e.shipped)
    if isinstance(model, str) and any(e.name == model for e in ENTRIES):
        raise errors.UserError(f"{model} is a preset without trained weights; train it, or use one of {shipped}")
    raise errors.UserError(f"no run directory or shipped model {str(model)!r}; shipped are {shipped}")


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def load(model: str | Path, say: Callable[[str], None] = _say) -> Loaded:
    """The best checkpoint of a run directory or a shipped run; works from any working directory.

    Args:
        model: A path or a name.
        say: Is told of damaged checkpoints that were passed over; prints to standard error by default.

    Raises:
        errors.UserError: There is no such run, it is of another format, or it has no good checkpoint.
    """
    from musejax import runs

    run = runs.load(find(model), say)
    codec = codecs.get(run.vocabulary.name)
    if codec.vocabulary.version != run.vocabulary.version:
        raise errors.UserError(
            f"{run.path} was trained with version {run.vocabulary.version} of codec {run.vocabulary.name}; "
            f"this musejax has version {codec.vocabulary.version}"
        )
    return Loaded(run.model, run.variables, codec, run.config, run.name)
