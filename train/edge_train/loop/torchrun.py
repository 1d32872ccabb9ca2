"""What torchrun tells each process that it starts, in environment variables; no torch is needed to read it."""

import os


def world_size() -> int:
    """How many processes train together, on all machines; 1 without torchrun."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """The number of this process among all, from 0."""
    return _number("RANK")


def local_rank() -> int:
    """The number of this process among those on its machine, from 0."""
    return _number("LOCAL_RANK")


def _number(name: str) -> int:
    # A process that is alone has no number, even if another program set one in its environment.
    return int(os.environ.get(name, "0")) if world_size() > 1 else 0
