"""gpt-micro: 6 blocks, 192 wide, on 256 characters."""

from bench.gpt import gpt

WORKLOAD = gpt("gpt-micro", T=256, D=192, heads=6, blocks=6, batch=4, steps=20)
