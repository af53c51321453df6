"""Where the nodes of a graph go: one layout for the page and for the still picture.

These files are Python, and the page has them in JavaScript: ``translation`` writes them down again, so there
is one layout and not two. They keep to the small part of Python that it knows, which its docstring tells.
"""
