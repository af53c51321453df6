"""A forward as the line of calls that it makes, by running its author's code on arrays that note them.

- ``trace``: the arrays that note, and the steps that they note;
- ``tracing``, ``torch_forwards``, ``jax_forwards``: the forwards of each style of target;
- ``chain``: what flows down to each value and up from it, by the chain rule;
- ``rounds``: the turns of a loop, and what one hands on to the next;
- ``rebinding``: copies of the author's functions that see other things in the place of some.
"""
