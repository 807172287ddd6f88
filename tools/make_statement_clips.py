"""Make the clips with which statements are tested: `tests/data/statement`, and for measuring more of them elsewhere.

.venv/bin/python tools/make_statement_clips.py portraits     # the release of the actor and portraits
.venv/bin/python tools/make_statement_clips.py frames FOLDER # rendered frames, minutes each
.venv/bin/python tools/make_statement_clips.py clips FOLDER  # as filmed, from those
"""
