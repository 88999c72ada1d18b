"""The parts of ``bench/ttv_sampling.py``: campaigns, peers, and one judge of both."""
