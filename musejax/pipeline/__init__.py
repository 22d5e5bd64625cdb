"""From pieces as arrays to batches: data sets, augmentation, windows, and an order that can be resumed."""
