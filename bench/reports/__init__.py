"""Public reports of wrong backward passes, each as its author wrote it: what the checker makes of them."""
