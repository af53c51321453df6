"""Instructions: LLVM IR as text, arithmetic, functions, expressions at a point."""
