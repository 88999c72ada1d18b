"""Populations that go from a broad distribution to the posterior: preparation, and second opinion.

`anneal` moves a population, `target` says from where to where, `unit` reads and computes a unit,
and the other modules fit a map and a mixture to a population.
"""
