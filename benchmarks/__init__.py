"""Measurements of musejax beside its peers and on published protocols; each file's docstring gives its command."""
