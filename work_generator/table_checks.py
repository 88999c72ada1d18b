def why_unmatched(problem, table, n_start):
    return f"None of {n_start}"
