"""Settings of the documentation site: `sphinx-build -W -b html docs FOLDER`."""

import argparse
import os

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import musejax
from musejax import cli

project = "musejax"
copyright = "the musejax authors"  # noqa: A001
version = release = musejax.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
]
source_suffix = {".md": "myst-nb", ".ipynb": "myst-nb"}
exclude_patterns = ["extending/*"]
# Sections of a page can be linked to; the sections of the API pages are those of their docstrings.
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]
# Notebooks are kept without outputs. They run in a scratch folder at each build, and an error in one fails the build.
# Their executed copies are written to jupyter_execute, beside the folder of the site.
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_merge_streams = True
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


class CommandHelp(SphinxDirective):
    """Shows what `musejax COMMAND --help` prints."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Returns the help of the command as a literal block."""
        os.environ["COLUMNS"] = "100"
        commands = next(
            action for action in cli.parser()._actions if isinstance(action, argparse._SubParsersAction)
        ).choices
        text = commands[self.arguments[0]].format_help()
        block = nodes.literal_block(text, text)
        block["language"] = "text"
        return [block]


def setup(app: Sphinx) -> None:
    """Adds the directive."""
    app.add_directive("musejax-help", CommandHelp)
