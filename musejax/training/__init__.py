"""One step builder, one loop, one run directory for every family."""
