"""Glue between networks and the record that two or more families share."""
