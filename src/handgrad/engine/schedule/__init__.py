"""Which thread does what, when threads wait for each other, and where arrays lie.

A kernel's outermost loop is divided among the threads, always at the same places for the same number of
turns. So what a thread reads is mostly what it wrote itself, and no one waits: a batch goes forward and
backward in slices. Where a kernel reads beyond its own slice (a sum over the batch) it belongs to a later
*phase*, and between phases there is a barrier. Kernels of a phase that are divided alike are made together,
part by part of a slice, so that what one writes is still near when the next reads it; where no other kernel
of the phase needs what they make, a thread that is free takes any part that is left. Every element is
computed whole by one thread, in one order: so the bits are the same for any number of threads.
"""

from handgrad.engine.schedule.division import slices, stays_inside
from handgrad.engine.schedule.phases import Schedule, scheduled
from handgrad.engine.schedule.rounds import parts_of

__all__ = ["Schedule", "parts_of", "scheduled", "slices", "stays_inside"]
