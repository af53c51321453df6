"""Where each number comes from: of every entry of small arrays, the computation that made it."""
