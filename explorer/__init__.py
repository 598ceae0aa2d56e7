"""The explorer: a window, or none, in which a generated world is walked."""

import os

# pygame greets on stdout, which belongs to programs that read it.
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
# The model's threads wait for one another asleep. Awake, they stall each other for whole time slices
# as soon as anything else wants a core: a segment takes 12 s instead of 0.5 s beside two busy processes.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
