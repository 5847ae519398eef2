"""Sphinx configuration. The whole build, offline: ``python -m sphinx -W -b html docs OUT``."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

import reference
from sphinx.application import Sphinx

import gancomponents

project = "gancomponents"
author = "the gancomponents authors"
copyright = "the gancomponents authors, MIT licence"
version = release = gancomponents.__version__

extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "myst_parser"]
exclude_patterns = ["_build"]
autodoc_inherit_docstrings = False
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
autodoc_class_signature = "mixed"
autodoc_preserve_defaults = True
toc_object_entries = False  # every name has a heading of its own
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 90
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_custom_sections = [("Shape", "notes_style")]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"gancomponents {version}"
html_show_sphinx = False
html_copy_source = False
html_theme_options = {"navigation_with_keys": True}

reference.write(Path(__file__).parent / "api")


def setup(app: Sphinx) -> None:
    """Hook into autodoc."""
    app.connect("autodoc-skip-member", reference.skip)
