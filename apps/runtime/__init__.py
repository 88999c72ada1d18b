"""BOINC's application API in pure Python: what ties a science app to the client that runs it.

Only the standard library is used here, so that the first import of numpy is the app's own choice.
"""

from __future__ import annotations
