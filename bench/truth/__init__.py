"""Frames of known stars and noise, and what stacks of them are measured for."""
