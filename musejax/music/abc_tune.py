"""Line-by-line reader of an ABC tune: header, voices and body."""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from musejax.music import (
    abc_decorations,
    abc_fields,
    abc_keys,
    abc_losses,
    abc_lyrics,
    abc_music,
    abc_text,
    abc_tokens,
    loss_counts,
    musicxml_losses,
)
from musejax.music.abc_settings import SCOPES, Settings
from musejax.music.abc_voices import Voice

_MIDI = re.compile(r"MIDI\s+(program|channel|transpose)\s+(?:\d{1,2}\s+(?=\S))?(-?\d{1,3})\s*")
# %%MIDI instructions that add no notes.
_SILENT_MIDI = re.compile(r"MIDI\s+(gchordoff|drumoff|nobarlines|beat\w*|vol\w*|control|ptstress|deltaloudness)\b")


class Tune(NamedTuple):
    """A tune as it was read.

    Attributes:
        voices: The voices.
        title: The first title, or empty.
        composers: The composers.
        order: Labels of the parts in the order of playing; None if the tune does not define an order.
        parts: Label of the part that begins at a measure, by index of the measure.
    """

    voices: list[Voice]
    title: str
    composers: list[str]
    order: list[str] | None
    parts: dict[int, str]


def read_tune(text: str, losses: loss_counts.Losses) -> Tune:
    """Reads a tune.

    Args:
        text: The tune, from its first field to its end.
        losses: Counts what is left out.

    Raises:
        errors.UserError: The tune exceeds `limits`, or has implausible note lengths.
    """
    reader = _Reader(losses)
    reader.read(text)
    voices = [voice for voice in reader.voices.values() if voice.measures]
    return Tune(voices, reader.title, reader.composers, reader.order, reader.parts)


class _Reader:
    """Reads the lines of one tune."""

    def __init__(self, losses: loss_counts.Losses) -> None:
        self.title = ""
        self.composers: list[str] = []
        self.order: list[str] | None = None
        self.parts: dict[int, str] = {}
        self.voices: dict[str, Voice] = {}
        self._losses = losses
        self._in_body = False
        # Settings of all voices, and settings that the header gives to individual voices.
        self._settings = Settings(abc_fields.default_unit(None), None, {}, None)
        self._own: dict[str, dict[str, Any]] = {}
        self._names: dict[str, str] = {}
        self._has_unit = False
        self._tempo: float | None = None
        self._voice_id: str | None = None
        self._signs = dict(abc_decorations.SIGNS)
        self._line_number = 0
        self._continues = False

    def read(self, tune: str) -> None:
        """Reads all lines."""
        has_key = re.search(r"(?m)^K:", tune) is not None
        for line in abc_text.lines(tune):
            if line.field == "%":
                self._read_directive(line.text)
            elif line.field:
                self._read_field(line.field, line.text)
            elif has_key and not self._in_body:
                # A remark without a field letter: music begins only after the key.
                self._losses[abc_losses.FIELDS] += 1
            else:
                self._begin_body()
                self._line_number += not self._continues
                self._read_music(line.text)
                self._continues = line.continues
                if not line.continues:
                    self._current().end_line()
        for voice in self.voices.values():
            voice.finish()

    def _read_field(self, field: str, text: str) -> None:
        """Reads an information field of the header, of the body or within a line."""
        if field == "T":
            if not self._in_body:
                self.title = self.title or abc_text.resolve_escapes(text)
        elif field == "C":
            if text.strip() and not self._in_body:
                self.composers.append(abc_text.resolve_escapes(text))
        elif field == "M":
            self._read_metre(text)
        elif field == "L":
            unit = abc_fields.read_unit(text)
            self._change(abc_losses.FIELDS, None if unit is None else {"unit": unit})
            self._has_unit = self._has_unit or unit is not None
        elif field == "Q":
            self._read_tempo(text)
        elif field == "K":
            self._read_key(text)
        elif field == "V":
            self._read_voice(text)
        elif field == "P":
            self._read_part(text)
        elif field == "U":
            self._read_sign(text)
        elif field == "w":
            if self._in_body and text.strip():
                self._continues = False
                voice = self._current()
                voice.verses += 1
                abc_lyrics.align(text, voice.line, voice.verses, self._losses)
        elif field == "s":
            self._losses[abc_losses.SYMBOL_LINES] += 1
        elif field == "m":
            self._losses[abc_losses.MACROS] += 1
        elif field == "I":
            self._read_directive(text.replace("=", " ", 1))

    def _begin_body(self) -> None:
        """Ends the header and creates the voices that it names."""
        if self._in_body:
            return
        self._in_body, self._voice_id = True, None
        if not self._has_unit:
            self._settings.unit = abc_fields.default_unit(self._settings.metre)
        for name in self._own:
            self._add_voice(name)

    def _add_voice(self, voice_id: str) -> Voice:
        settings = dataclasses.replace(self._settings, **self._own.get(voice_id, {}))
        # A number is not a name.
        name = self._names.get(voice_id, "" if voice_id.isdigit() else voice_id)
        voice = self.voices[voice_id] = Voice(name, len(self.voices), settings, self._losses)
        if self._tempo is not None:
            voice.add_tempo(self._tempo)
            self._tempo = None
        return voice

    def _current(self) -> Voice:
        """Returns the current voice, at first the first one."""
        if self._voice_id is None:
            self._voice_id = next(iter(self.voices), "1")
        return self.voices.get(self._voice_id) or self._add_voice(self._voice_id)

    def _current_in_line(self) -> Voice:
        """Returns the current voice, prepared for the lyrics of the current line of music."""
        voice = self._current()
        if voice.line_number != self._line_number:
            voice.line, voice.verses, voice.line_number = [], 0, self._line_number
        return voice

    def _targets(self) -> list[Voice]:
        """Returns the voices to which a field of the body applies: the current one, or all if none has begun."""
        if not self._in_body:
            return []
        return [self._current()] if self._voice_id is not None else list(self.voices.values())

    def _change(self, loss: loss_counts.Loss, changes: Mapping[str, Any] | None, *, is_of_voice: bool = False) -> None:
        """Changes settings of the voices to which a field or directive applies.

        Args:
            loss: The kind of loss to count if there are no changes.
            changes: The settings by name; None if they cannot be read.
            is_of_voice: Whether the changes apply only to the voice that the header named last, if any.
        """
        if changes is None:
            self._losses[loss] += 1
            return
        if is_of_voice and not self._in_body and self._voice_id is not None:
            self._own[self._voice_id].update(changes)
            return
        targets = self._targets()
        for voice in targets:
            voice.change(changes)
        if not targets:
            for name, value in changes.items():
                setattr(self._settings, name, value)

    def _read_metre(self, text: str) -> None:
        metre = abc_fields.read_metre(text)
        if metre is None:
            self._losses[musicxml_losses.METRE] += 1
            return
        for voice in self._targets():
            voice.set_metre(metre)
        if not self._targets():
            self._settings.metre = metre

    def _read_tempo(self, text: str) -> None:
        qpm = abc_fields.read_tempo(text)
        if qpm is None:
            self._losses[abc_losses.TEMPOS] += 1
        elif self._targets():
            self._targets()[0].add_tempo(qpm)
        else:
            self._tempo = qpm

    def _read_key(self, text: str) -> None:
        """Reads a key; in the header, it ends the header."""
        field = abc_keys.read_key(text)
        for is_lost, loss in (
            (field.is_unreadable, abc_losses.KEYS),
            (field.has_unknown_mode, abc_losses.MODES),
            (field.is_unusual, musicxml_losses.KEY),
        ):
            self._losses[loss] += is_lost
        changes = field.properties.changes()
        if field.accidentals is not None:
            changes |= {"accidentals": field.accidentals, "key": field.key}
        self._change(abc_losses.FIELDS, changes)
        self._begin_body()

    def _read_voice(self, text: str) -> None:
        voice_id, _, rest = text.strip().partition(" ")
        if not voice_id:
            self._losses[abc_losses.FIELDS] += 1
            return
        properties = abc_fields.read_properties(rest)
        if properties.name is not None:
            self._names[voice_id] = abc_text.resolve_escapes(properties.name)
        if not self._in_body:
            self._voice_id = voice_id
            self._own.setdefault(voice_id, {}).update(properties.changes())
            return
        self._voice_id = voice_id
        voice = self._current()
        voice.name = self._names.get(voice_id, voice.name)
        voice.change(properties.changes())

    def _read_part(self, text: str) -> None:
        if not self._in_body:
            self.order = abc_fields.read_part_order(text)
            self._losses[abc_losses.PARTS] += self.order is None
        elif text.strip():
            voice = self._current()
            voice.close_measure()
            self.parts.setdefault(len(voice.measures), text.strip()[0])

    def _read_sign(self, text: str) -> None:
        """Reads a user-defined sign, such as `T = !trill!`."""
        match = re.fullmatch(r"\s*([.~H-Yh-w])\s*=\s*[!+]?([^!+]*?)[!+]?\s*", text)
        if match is None:
            self._losses[abc_losses.FIELDS] += 1
        else:
            self._signs[match[1]] = match[2]

    def _read_directive(self, text: str) -> None:
        """Reads a `%%` line; ignores those that concern printing."""
        scope = re.fullmatch(r"propagate-accidentals\s+(\w+)\s*", text)
        if scope is not None:
            self._change(abc_losses.FIELDS, {"scope": scope[1]} if scope[1] in SCOPES else None)
        if not text.startswith("MIDI"):
            return
        match = _MIDI.fullmatch(text)
        value = int(match[2]) if match is not None else 0
        if match is None:
            self._losses[abc_losses.MIDI] += _SILENT_MIDI.match(text) is None
        elif match[1] == "program":
            self._change(abc_losses.MIDI, {"program": value} if 0 <= value <= 127 else None, is_of_voice=True)
        elif match[1] == "channel":
            self._change(abc_losses.MIDI, {"is_drum": value == 10}, is_of_voice=True)
        else:
            changes = {"midi_transposition": value} if abs(value) <= 127 else None
            self._change(abc_losses.MIDI, changes, is_of_voice=True)

    def _read_music(self, line: str) -> None:
        """Reads a line of music."""
        voice = self._current_in_line()
        for token in abc_tokens.tokens(line):
            if token.kind == "field":
                self._read_field(token.text[1], token.text[3:-1])
                voice = self._current_in_line()
            else:
                abc_music.read_token(token, voice, self._signs, self._losses)
