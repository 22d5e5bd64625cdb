"""Settings of the documentation site: `sphinx-build -W -b html docs FOLDER`."""

import musejax

project = "musejax"
copyright = "the musejax authors"  # noqa: A001
version = release = musejax.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
]
source_suffix = {".md": "markdown"}
exclude_patterns = ["extending/*"]
# Sections of a page can be linked to; the sections of the API pages are those of their docstrings.
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": False}
# Arrays have their shapes in the text; the types of libraries without an inventory here are shown by name.
nitpicky = False
html_theme = "furo"
html_title = f"musejax {release}"
