"""Numbers that record how they were made, whose backward goes back by recursion."""

from __future__ import annotations

import numpy as np

from tests.checking.mutants.corpus import correct, mutant
from tests.checking.mutants.samples import normal

TWO = normal((3,), (3,))


class Value:
    """Each sends on what it has got; who calls them sees to the order."""

    def __init__(self, data, parents=()):
        self.data, self.grad, self.parents = data, 0.0, parents
        self.send = lambda: None

    def made(self, data, slopes):
        out = Value(data, [parent for parent, _ in slopes])

        def send():
            for parent, slope in slopes:
                parent.grad = parent.grad + slope * out.grad
            out.sent()

        out.send = send
        return out

    def __add__(self, other):
        return self.made(self.data + other.data, [(self, 1.0), (other, 1.0)])

    def __mul__(self, other):
        return self.made(self.data * other.data, [(self, other.data), (other, self.data)])

    def sine(self):
        return self.made(np.sin(self.data), [(self, np.cos(self.data))])

    def sent(self):
        pass

    def backward(self):
        """In reverse order, each once."""
        order = []

        def visit(value):
            if value not in order:
                for parent in value.parents:
                    visit(parent)
                order.append(value)

        visit(self)
        for value in reversed(order):
            value.send()


class Recursive(Value):
    def made(self, data, slopes):
        out = super().made(data, slopes)
        out.__class__ = Recursive
        return out

    def sent(self):
        for parent in self.parents:
            parent.send()

    def backward(self):
        self.send()  # with all that it has got, each time that it is reached


def through(kind, f, xs):
    def backward(dout):
        values = [kind(x) for x in xs]
        out = f(*values)
        out.grad = dout
        out.backward()
        return tuple(value.grad for value in values)

    return f(*map(kind, xs)).data, backward


def square_of_product(a, b):
    u = a * b
    return u + u * u


def wave_of_sum(a, b):
    u = (a + b).sine()
    return u * u + u * a


def no_fan_out(a, b):
    return (a * b).sine() + a


@correct(TWO)
def in_order(x, y):
    return through(Value, square_of_product, (x, y))


@correct(TWO)
def recursive_without_a_fan_out(x, y):
    return through(Recursive, no_fan_out, (x, y))


@mutant("double-path", TWO)
def paths_counted_twice(x, y):
    return through(Recursive, square_of_product, (x, y))


@mutant("double-path", TWO)
def paths_counted_three_times(x, y):
    return through(Recursive, wave_of_sum, (x, y))
