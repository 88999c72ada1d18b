"""The verdict on a posterior: is it sampled, does the model describe the data, what do they say."""

from __future__ import annotations
