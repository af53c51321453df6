"""What runs the code: LLVM, the disk cache, the processor, threads, memory."""
