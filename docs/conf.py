"""Sphinx: `sphinx-build -W docs build/docs`."""

from seneca_sim import __version__

project = "seneca_sim"
copyright = "the seneca_sim authors, Apache-2.0"
version = release = __version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_click"]
exclude_patterns = ["notebooks/.ipynb_checkpoints"]
# Notebooks are run, each in an empty folder; a cell that fails fails the build.
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 300

html_theme = "furo"
html_title = f"seneca_sim {version}"
html_extra_path = ["llms.txt"]
html_copy_source = False
html_static_path = ["static"]
html_css_files = ["site.css"]
highlight_language = "text"  # of blocks without a language: what commands print
maximum_signature_line_length = 90

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # fields of a class as one list
