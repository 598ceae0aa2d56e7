"""The explorer: a window, or none, in which a generated world is walked."""

import os

# pygame greets on stdout, which belongs to programs that read it.
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
