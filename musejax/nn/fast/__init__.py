"""Hardware-specific forms of layers; each gives the same numbers as its plain form."""
