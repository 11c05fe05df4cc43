"""Tells how much of what was sent on a connection its reader has not taken yet."""

import array
import asyncio
import contextlib
import fcntl
import sys
import termios


def unread_bytes(transport: asyncio.Transport) -> int:
    """Returns the bytes that wait here and in this machine's kernel: Linux' SIOCOUTQ, see tcp(7).
    What the reader's kernel has taken counts as read.
    """
    waiting = transport.get_write_buffer_size()
    if sys.platform == "linux":
        found = array.array("i", [0])
        with contextlib.suppress(OSError):
            fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, found)
        waiting += found[0]
    return waiting
