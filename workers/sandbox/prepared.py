"""Find out once what every sandbox needs; for a fork server, whose children then know it.

Importing this tries the sandbox. Where that fails, the children find out for themselves.
"""

from workers.sandbox.probe import why_missing

if why_missing() is not None:
    why_missing.cache_clear()
