"""What code is made for: this computer, a level of it, another kind of computer; a module for each kind."""
