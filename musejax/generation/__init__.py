"""What users call to get music: sample, harmonize, infill, accompany, interpolate, personalize."""
