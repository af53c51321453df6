"""Formulas of rules, from their docstrings to MathML."""
