"""Hardware-specific forms of blocks; each gives the same numbers as its plain form."""
