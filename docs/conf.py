"""Settings of Sphinx for this documentation; `make html` builds it."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent / "cmake"), str(HERE.parent)]
os.environ["COLUMNS"] = "90"  # the width of usage lines

from pygments.lexers.special import TextLexer  # noqa: E402  # those above are for what follows
from sphinx.application import Sphinx  # noqa: E402
from sphinx.ext.autodoc.mock import MockFinder  # noqa: E402

import dhmpi  # noqa: E402  # it need not be installed

# Imported for their docstrings, modules need no libraries but those of every installation, and none that take seconds.
LEFT_OUT = "ConfigSpace balsam django horovod keras matplotlib mpi4py optuna pandas pyarrow tensorflow"
sys.meta_path.insert(0, MockFinder(LEFT_OUT.split()))

project = "dhmpi"
release = version = dhmpi.__version__
author = "the authors of dhmpi"
extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.doctest",
    "sphinx.ext.intersphinx",
    "sphinx.ext.todo",
    "sphinx.ext.coverage",
    "sphinx.ext.mathjax",
    "sphinx.ext.ifconfig",
    "sphinx.ext.viewcode",
    "sphinx.ext.githubpages",
    "myst_parser",
    "repository_links",
    "command_pages",
    "reference_pages",
]
exclude_patterns = ["_ext"]
default_role = "literal"  # in docstrings, as in Markdown
smartquotes = False  # options have two hyphens
add_module_names = False
toc_object_entries = False
highlight_language = "text"
nitpicky = False  # libraries whose inventories are not here

# Markdown: anchors of headings as on GitHub, and formulas between dollar signs.
myst_heading_anchors = 5
myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_dmath_allow_space = False
myst_dmath_allow_digits = False

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_use_type_comments = False
autodoc_class_signature = "mixed"
autodoc_default_options = {"members": True, "show-inheritance": True}
napoleon_numpy_docstring = False
napoleon_use_ivar = True

viewcode_follow_imported_members = False
todo_include_todos = True
coverage_show_missing_items = True

# Nothing is fetched while it is built, and no page needs another site.
intersphinx_mapping = {
    "python": ("https://docs.python.org/3", "inventories/python.inv"),
    "h5py": ("https://docs.h5py.org/en/stable", "inventories/h5py.inv"),
    "mpi4py": ("https://mpi4py.readthedocs.io/en/stable", "inventories/mpi4py.inv"),
}
mathjax_path = "mathjax/tex-svg.js"

html_theme = "furo"
html_title = f"dhmpi {release}"
html_static_path = ["_static"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
html_show_search_summary = False  # browsers fetch no pages from the disk


def setup(app: Sphinx) -> None:
    """Show Mermaid's charts as text: the program that draws them is larger than the rest of the site."""
    app.add_lexer("mermaid", TextLexer)
