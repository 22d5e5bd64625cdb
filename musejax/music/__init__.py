"""Music files in and out, and what every reader and writer shares: tempo map, grid, metre, parts."""
