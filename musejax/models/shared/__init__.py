"""Code that two or more families share, mostly to make a `base.Model` of a network."""
