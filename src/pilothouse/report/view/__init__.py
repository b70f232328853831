"""The local web app: runs, the catalogue and datasets in a browser, live while training goes on.

`app.py` has the routes, `folder.py` finds what is there, `pages_*.py` write the pages, `episodes.py` acts an episode to
be looked at step by step. Server-rendered HTML; one script (`view.js`) draws curves and moves the scrubber.
"""
