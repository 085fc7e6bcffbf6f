"""A process that leaves the mounts, and the network, of everybody else: what it changes there nobody sees."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

_NEW_MOUNTS, _NEW_USERS, _NEW_NETWORK = 0x0002_0000, 0x1000_0000, 0x4000_0000
_BIND, _RECURSIVE, _PRIVATE = 0x1000, 0x4000, 0x4_0000
_LIBC = ctypes.CDLL(None, use_errno=True)


def separate(*, network: bool = False) -> bool:
    """Leave; false where the machine does not allow it. Only before any thread is started."""
    user, group = os.getuid(), os.getgid()
    if _LIBC.unshare(_NEW_USERS | _NEW_MOUNTS | (_NEW_NETWORK if network else 0)):
        return False
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
        Path("/proc/self", name).write_text(text)
    return _LIBC.mount(None, b"/", None, _RECURSIVE | _PRIVATE, None) == 0


def bind(source: str, target: str) -> None:
    """Let the file `source` stand where `target` is."""
    _mount(source, os.path.realpath(target), "none", _BIND, "")


def small_disk(folder: str, size: str) -> None:
    """Put an empty file system of a size, such as ``400k``, on a folder."""
    _mount("tmpfs", folder, "tmpfs", 0, f"size={size}")


def _mount(source: str, target: str, kind: str, flags: int, options: str) -> None:
    if _LIBC.mount(source.encode(), target.encode(), kind.encode(), flags, options.encode()):
        raise OSError(ctypes.get_errno(), "cannot mount")
