"""What a piece is required to be, as constraints on its tokens and as conditions of its model."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from musejax import codecs, errors, zoo
from musejax.base import Constraint
from musejax.decoding import constraints, gaps, harmony
from musejax.generation import cells, option_values, piece_forms, planning
from musejax.music import bar_numbers
from musejax.theory import chords as progressions
from musejax.theory import keys
from musejax.theory.sixteenths import BAR


@dataclasses.dataclass(frozen=True, kw_only=True)
class Requirements:
    """Options of the sampling functions that say what a piece is to be; see `musejax.sample`.

    Attributes:
        key: Tonic and mode, a condition.
        fermatas: Bar and beat of each fermata, a condition.
        scale: Tonic and scale.
        pitches: Lowest and highest MIDI pitch.
        chords: A chord progression.
        chord_frames: Frames of each chord.
        density: Least and most onsets in a bar.
        allow: The only pitches that are allowed at places.
        forbid: Pitches that are not allowed at places.
    """

    key: str | None = None
    fermatas: str | Sequence[str] | None = None
    scale: str | None = None
    pitches: str | tuple[int, int] | None = None
    chords: str | None = None
    chord_frames: int = BAR
    density: str | tuple[int, int] | None = None
    allow: str | Sequence[str] | None = None
    forbid: str | Sequence[str] | None = None

    def has_places(self) -> bool:
        """Returns whether pitches are allowed or forbidden at places."""
        return bool(self.allow or self.forbid)

    def sharps(self) -> int | None:
        """Returns the key signature of the key, or else of the scale, in sharps; None where neither is given.

        Raises:
            errors.OptionError: The key cannot be read.
        """
        return option_values.sharps(self.key, self.scale)

    def check_key(self, loaded: zoo.Loaded) -> None:
        """Checks that a model is conditioned on the key.

        Raises:
            errors.OptionError: A key is given, and the model is not.
        """
        if self.key and "key" not in loaded.model.info.conditions:
            raise errors.OptionError(
                "key",
                self.key,
                f"{loaded.name} is not conditioned on a key; a scale constrains the pitches of any model",
            )

    def marks(self) -> "list[piece_forms.Mark] | None":
        """Returns the bar and beat of each fermata; None where they are left to the model.

        Raises:
            errors.OptionError: They cannot be read.
        """
        return option_values.fermatas(self.fermatas)

    def conditions(self, loaded: zoo.Loaded, length: int) -> codecs.Arrays:
        """Returns the conditions of a model that reads chords: `chord`, int32[length]; none for any other model.

        Raises:
            errors.OptionError: The chord progression cannot be read.
        """
        if not self.chords or not _reads_chords(loaded):
            return {}
        try:
            return {"chord": progressions.classes(self.chords, self.chord_frames, length)}
        except ValueError as error:
            raise errors.OptionError("chords", self.chords, str(error)) from None

    def constraint(self, loaded: zoo.Loaded, length: int, bar: int | None, *, shift: int = 0) -> Constraint | None:
        """Returns the constraint of scale, pitches, chords and density; None where there is none.

        Args:
            loaded: The model.
            length: Frames of the piece.
            bar: Frames of a bar; None where the piece has no grid.
            shift: Semitones by which the model reads and writes higher than the piece sounds.

        Raises:
            errors.OptionError: A value cannot be read, or does not fit the model.
        """
        self._check(loaded)
        vocabulary, parts = loaded.codec.vocabulary, []
        order = loaded.model.decoder.order if loaded.model.decoder is not None else ()
        if self.scale:
            tonic, name = keys.parse(self.scale)
            if tonic is None or (name or "major") not in keys.SCALES:
                scales = ", ".join(keys.SCALES)
                raise errors.OptionError(
                    "scale", self.scale, f"give a tonic and one of {scales}, such as G or Bb:minor"
                )
            parts.append(constraints.scale(vocabulary, tonic + shift, name or "major"))
        if self.pitches:
            reason = "give two MIDI pitches within 0-127, such as 48-83"
            low, high = option_values.low_high("pitches", self.pitches, reason, most=127)
            if isinstance(self.pitches, str) and "-" not in self.pitches:
                raise errors.OptionError("pitches", self.pitches, reason)
            parts.append(constraints.pitch_range(vocabulary, [(low + shift, high + shift)]))
        for option, value in (("chords", self.chords), ("density", self.density)):
            if not value or (option == "chords" and _reads_chords(loaded)):
                continue
            if bar is None:
                raise errors.OptionError(option, value, f"codec {vocabulary.name} of {loaded.name} has no grid of bars")
            try:
                if isinstance(value, str) and option == "chords":
                    table = np.roll(progressions.progression(value, self.chord_frames, length), shift, axis=-1)
                    parts.append(harmony.chords(vocabulary, table, order))
                else:
                    reason = "give the least and most onsets in a bar, such as 4-8"
                    onsets = option_values.low_high(option, value, reason)
                    parts.append(harmony.density(vocabulary, *onsets, bar, order))
            except ValueError as error:
                raise errors.OptionError(option, value, str(error)) from None
        return join(parts)

    def at_places_of_plan(self, loaded: zoo.Loaded, plan: planning.Plan) -> Constraint | None:
        """Returns the constraint of `allow` and `forbid` in the bars of given music; None where there is none."""
        return self.at_places(loaded, plan.source.numbers, planning.beat_of(plan.source))

    def at_places_of_sample(
        self, loaded: zoo.Loaded, length: int, primer: codecs.Arrays | None = None
    ) -> Constraint | None:
        """Returns the same for a sample: in 4/4, or in the bars of a primer's conditions."""
        if not self.has_places():
            return None
        conditions = codecs.free_conditions(loaded.codec.vocabulary, 1, length, primer)
        beat = conditions.get("beat", np.arange(length)[None] % BAR)[0]
        return self.at_places(loaded, bar_numbers.count(beat), beat)

    def at_places(self, loaded: zoo.Loaded, numbers: bar_numbers.BarNumbers, beat: np.ndarray) -> Constraint | None:
        """Returns the constraint of `allow` and `forbid`; None where there is none.

        Args:
            loaded: A model of four voices.
            numbers: The number of each frame's bar.
            beat: int[T], positions in the bar in 16ths.

        Raises:
            errors.UserError: A rule cannot be read, or does not fit the piece.
        """
        allow, forbid = option_values.rules("allow", self.allow), option_values.rules("forbid", self.forbid)
        return cells.constraint(loaded, numbers, beat, allow, forbid) if allow or forbid else None

    def refuse_places(self, loaded: zoo.Loaded) -> None:
        """Checks that nothing is required of places in a model that has none.

        Raises:
            errors.OptionError: Something is.
        """
        for option in ("allow", "forbid", "fermatas"):
            if getattr(self, option):
                raise errors.OptionError(option, getattr(self, option), f"{loaded.name} has no cells of four voices")

    def check_notes_left(self, loaded: zoo.Loaded, constraint: Constraint | None, length: int) -> None:
        """Checks that a note may begin in every cell, as if nothing had been sampled yet.

        Args:
            loaded: The model.
            constraint: All constraints together.
            length: Frames of the piece.

        Raises:
            errors.UserError: There is a cell in which none may.
        """
        vocabulary = loaded.codec.vocabulary
        is_framed = gaps.fits(vocabulary)
        if constraint is None or not (is_framed or constraints.pitched(vocabulary)):
            return
        sounds = gaps.strikes(vocabulary) if is_framed else constraints.pitches(vocabulary)[None] >= 0
        table = np.asarray(constraints.table(constraint, vocabulary, 1, length if is_framed else 1))[0]
        empty = ~(table[:, : len(sounds)] & sounds).any(-1)
        if not empty.any():
            return
        frame, stream = np.argwhere(empty)[0].tolist()
        where = f" in frame {frame}" if is_framed and not empty.all() else ""
        where += f" of stream {stream}" if vocabulary.streams > 1 and not empty.all() else ""
        restricting = ("scale", "pitches", "chords", "density", "allow", "forbid")
        given = [(option, getattr(self, option)) for option in restricting if getattr(self, option)]
        name, value = given[0] if given else ("constraint", "")
        others = "".join(f" with {other} {text}" for other, text in given[1:])
        raise errors.OptionError(name, value, f"no note of codec {vocabulary.name} is left{where}{others}; allow more")

    def _check(self, loaded: zoo.Loaded) -> None:
        """Checks that the model can be constrained.

        Raises:
            errors.OptionError: It samples all cells at once, or has no pitches or no order.
        """
        for option in ("scale", "pitches", "chords", "density"):
            value = getattr(self, option)
            if value and loaded.model.info.piece_frames:
                raise errors.OptionError(
                    option, value, f"{loaded.name} samples all cells of a piece at once and cannot be constrained"
                )
            if value and option in ("scale", "pitches") and not constraints.pitched(loaded.codec.vocabulary):
                raise errors.OptionError(
                    option, value, f"codec {loaded.codec.vocabulary.name} of {loaded.name} has no pitches"
                )
        if self.density and loaded.model.info.samplers:
            raise errors.OptionError(
                "density",
                self.density,
                f"onsets are counted from left to right; {loaded.name} fills cells in any order",
            )


def join(parts: Sequence[Constraint | None]) -> Constraint | None:
    """Returns what all constraints allow; None where there are none."""
    present = [part for part in parts if part is not None]
    return present[0] if len(present) == 1 else constraints.all_of(*present) if present else None


def _reads_chords(loaded: zoo.Loaded) -> bool:
    """Returns whether a model is conditioned on chords; others are constrained to them."""
    return "chord" in loaded.model.info.conditions
