"""Pages that compute: the same graph as one program, in WebAssembly, run again whenever a number changes."""
