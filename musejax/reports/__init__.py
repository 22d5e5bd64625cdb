"""The reports of `musejax evaluate` and `musejax metrics`."""
