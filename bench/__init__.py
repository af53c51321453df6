"""What is claimed of speed and accuracy, measured beside its peers in the same run."""
