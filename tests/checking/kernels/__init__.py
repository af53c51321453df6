"""Kernels that are right, in many ways of writing them, and kernels that are not."""
