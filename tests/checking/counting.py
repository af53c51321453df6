"""Counting what a check calls: by an object, since it puts lists that a function keeps back as they were."""


class Calls:
    """How often a function was called."""

    def __init__(self):
        self.number = 0

    def of(self, f):
        def counted(*inputs):
            self.number += 1
            return f(*inputs)

        return counted
