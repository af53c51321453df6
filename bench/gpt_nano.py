"""gpt-nano: 4 blocks, 128 wide, on 64 characters."""

from bench.gpt import gpt

WORKLOAD = gpt("gpt-nano", T=64, D=128, heads=4, blocks=4, batch=12, steps=20)
