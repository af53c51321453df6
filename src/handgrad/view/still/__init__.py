"""A computation as a still picture, for papers and slides."""
