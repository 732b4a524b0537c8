"""The book: chapters executed by papermill, pages built by Jupyter Book.

`python -m dlmo.book` does both. `extension` is the part that Sphinx loads; it executes the
chapters itself where they are not executed yet, so `jupyter-book build .` gives the same book.
"""
