"""The explorer: a window, or none, in which a generated world is walked."""

import os

# pygame greets on stdout, which belongs to programs that read it.
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
# The model's threads wait for one another asleep. Awake, they stall each other as soon as anything
# else wants a core: beside two busy processes a segment then takes 12 s instead of 0.5 s.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
