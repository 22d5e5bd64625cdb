"""Application of the tokens of a line of ABC music to their voice."""

from collections.abc import Mapping

from musejax.music import abc_bars, abc_chords, abc_decorations, abc_losses, abc_text, abc_tokens
from musejax.music.abc_voices import Voice
from musejax.music.loss_counts import Losses

# Digits to which a number of bars is truncated; such a number exceeds the limit anyway.
_MOST_DIGITS = 9


def read_token(token: abc_tokens.Token, voice: Voice, signs: Mapping[str, str], losses: Losses) -> None:
    """Applies a token, other than a field, to a voice.

    Args:
        token: The token.
        voice: The voice.
        signs: Names of decorations by the character that stands for them.
        losses: Counts what is left out.

    Raises:
        errors.UserError: The voice exceeds `limits`, or has implausible note lengths.
    """
    kind, text = token.kind, token.text
    if kind == "note":
        voice.add_notes([text], token.length, "")
    elif kind == "bar":
        voice.end_bar(abc_bars.read_bar_line(text))
    elif kind == "rest":
        voice.add_rest(text)
    elif kind == "chord":
        _read_chord(text, token.length, voice, signs, losses)
    elif kind == "tie":
        voice.tie()
    elif kind == "broken":
        voice.break_rhythm(text)
    elif kind == "tuplet":
        voice.begin_tuplet(text)
    elif kind == "grace":
        voice.add_grace_notes([inner.text for inner in abc_tokens.tokens(text) if inner.kind == "note"])
    elif kind == "text":
        figure = abc_chords.read_chord(abc_text.resolve_escapes(text), voice.settings.semitones, losses)
        if figure is not None:
            voice.add_chord_symbol(figure)
    elif kind in ("decoration", "sign"):
        _decorate(_decoration(token, signs), voice, losses)
    elif kind == "old":
        # Plus signs enclose decorations, or chords in old tunes.
        if abc_tokens.is_music(text):
            _read_chord(text, "", voice, signs, losses)
        else:
            _decorate(text, voice, losses)
    elif kind == "ending":
        voice.begin_ending(abc_bars.read_ending(text))
    elif kind == "bars":
        voice.add_bars_of_rest(int(text[:_MOST_DIGITS] or 1))
    elif kind == "overlay":
        voice.begin_overlay()
    else:
        losses[abc_losses.CHARACTERS] += 1


def _read_chord(text: str, length: str, voice: Voice, signs: Mapping[str, str], losses: Losses) -> None:
    """Reads the notes of a chord, with the ties and decorations of individual notes."""
    notes: list[abc_tokens.Token] = []
    ties: list[int] = []
    for token in abc_tokens.tokens(text):
        if token.kind == "note":
            notes.append(token)
        elif token.kind == "tie" and notes:
            ties.append(len(notes) - 1)
        elif token.kind in ("decoration", "sign"):
            _decorate(_decoration(token, signs), voice, losses)
    if not notes:
        losses[abc_losses.CHARACTERS] += 1
        return
    voice.add_notes([note.text for note in notes], notes[0].length, length)
    if ties:
        voice.tie_notes(ties)


def _decoration(token: abc_tokens.Token, signs: Mapping[str, str]) -> str | None:
    """Returns the name of a decoration, or None for a sign that has no meaning."""
    return token.text if token.kind == "decoration" else signs.get(token.text)


def _decorate(name: str | None, voice: Voice, losses: Losses) -> None:
    """Applies a decoration."""
    if name is None:
        losses[abc_losses.CHARACTERS] += 1
    elif abc_decorations.apply_decoration(name, voice.current, voice.place, losses):
        voice.add_fermata()
