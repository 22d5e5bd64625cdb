"""Theory of music without a file or a NoteSequence: pitch names, scales, keys and chords. NumPy only."""
