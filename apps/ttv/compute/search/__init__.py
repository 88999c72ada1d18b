"""The search for the modes of a posterior: least squares from many starts, in whitened coordinates.

`searching` is the whole of it; `journal` is what an interrupted search goes on from.
"""
