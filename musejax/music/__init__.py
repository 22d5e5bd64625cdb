"""Music files in and out, and what every reader and writer shares: time, metre, spelling, parts."""
