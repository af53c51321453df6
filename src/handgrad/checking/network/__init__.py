"""The first wrong part of a network.

A network is right when each of its parts is right on the values that it really saw: that is the chain rule.
So its forward is run once, noting what each part is given, and the parts are checked one by one.

- ``rules``: functions of rules and handgrad's layers, by their graph;
- ``layers``: objects that hold other layer objects;
- ``torch_calls``: modules and autograd Functions;
- ``jax_calls``: the ``custom_vjp`` functions in a function's equations;
- ``screen``, ``shared``: a first look at a part, and at objects that are used twice;
- ``search``: which of them is wrong, and what is wrong because of it.
"""

from handgrad.checking.network.part import Part
from handgrad.checking.network.search import consequences, first_wrong, parts_of

__all__ = ["Part", "consequences", "first_wrong", "parts_of"]
