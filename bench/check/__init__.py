"""``python -m bench.check``: how many wrong backward passes are found, named, and what is falsely accused."""
