"""`python -m campus.probe URL [lane]`: a container's health check.

It asks the web server and loads nothing of the campus: checking a worker must not disturb what
the worker measures. With a lane, some worker has to serve it.
"""

import json
import sys
import urllib.request


def is_healthy(url: str, lane: str | None = None) -> bool:
    """Raises OSError when nobody answers or the answer is an error."""
    # Containers reach the server by a name of their own, which is not the site's.
    request = urllib.request.Request(url, headers={"Host": "127.0.0.1"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=5) as response:  # noqa: S310
        health = json.load(response)
    return bool(health["workers"].get(lane)) if lane else True


if __name__ == "__main__":
    sys.exit(0 if is_healthy(*sys.argv[1:]) else 1)
