"""What ends a training and is not its fault, said so that somebody can do something about it."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import torch

from overheard.errors import BundleError, NoMemory, NoRoom

_MEMORY: Final = ("can't allocate memory", "not enough memory", "out of memory")
_DISK: Final = ("no space left", "unexpected pos", "file write failed")  # safetensors' words, then torch's


@contextmanager
def told_plainly(base: str) -> Iterator[None]:
    """In this context a full disk raises NoRoom and too little memory NoMemory; other errors pass."""
    try:
        yield
    except Exception as error:  # libraries raise what they like
        reason = error.__cause__ if isinstance(error, BundleError) else error  # loading a base takes memory, too
        if _lacks_memory(reason):
            where = "the GPU has" if isinstance(reason, torch.OutOfMemoryError) else "this machine has"
            raise NoMemory(
                f"{where} too little memory to fine-tune {base}: stop what else runs there, start from a smaller "
                "base model, or lower batch_size or max_tokens in the recipe"
            ) from error
        if _lacks_room(reason):
            raise NoRoom(
                "the disk is full: a training needs about ten times the size of its base model. Free some room and "
                "start it again; it goes on from its last checkpoint"
            ) from error
        raise


def _lacks_memory(error: BaseException | None) -> bool:
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _MEMORY)


def _lacks_room(error: BaseException | None) -> bool:
    is_full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
    return is_full or any(words in str(error).lower() for words in _DISK)
