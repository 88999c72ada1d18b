"""A zoo of simulated transit-timing systems, and what campaigns make of them.

``kinds``
    The kinds of systems: planets, priors, transits, noise.
``files``
    The campaign file and the table of one system.
``simulate``
    A true point from the file's own priors, and its scattered transit times.
``runs``, ``products``
    A campaign as a process of its own, and what its product says.
``ranks``
    Simulation-based calibration.
``reference``, ``groups``, ``ascent``, ``tempering``, ``straight``, ``agreement``
    The long independent run that products are compared with.
``compare``
    Widths, tails and evidences of a product beside those of the reference.
``report``
    All of it in tables and numbers.
"""
