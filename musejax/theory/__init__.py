"""Music theory: pitch names, scales, keys and chords. NumPy only, without files or NoteSequences."""
