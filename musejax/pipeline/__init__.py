"""From arrays of pieces to batches: data sets, augmentation, windows, and a resumable order of batches."""
