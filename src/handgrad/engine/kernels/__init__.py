"""The kinds of kernels, one file each."""
