"""What `musejax evaluate` and `musejax metrics` report."""
