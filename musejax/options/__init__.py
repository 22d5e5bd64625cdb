"""Options of the public functions: declared once, checked everywhere."""
