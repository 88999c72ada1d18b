"""Parts of ``bench/images_whole.py``: the frames, the programs, and the phases of a run."""
