"""Whether a folder lies on a network file system, where SQLite's locks cannot be relied on."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

MOUNTS: Final = Path("/proc/self/mounts")

# fmt: off
_NETWORK: Final = frozenset({
    "9p", "acfs", "afs", "beegfs", "ceph", "cifs", "coda", "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs",
    "nfs", "nfs4", "ocfs2", "pvfs2", "smb3", "smbfs",
})
# File systems in user space are named "fuse.program"; only these programs fetch files from elsewhere.
_NETWORK_FUSE: Final = frozenset({
    "blobfuse", "blobfuse2", "ceph", "gcsfuse", "glusterfs", "goofys", "juicefs", "mfs", "moosefs",
    "mount-s3", "nfs", "rclone", "s3fs", "seaweedfs", "smbnetfs", "sshfs",
})
# fmt: on
_ESCAPED: Final = re.compile(r"\\([0-7]{3})")


def network_file_system(folder: Path, mounts: Path | None = None) -> str | None:
    """The type (``nfs4``) of the network file system that *folder*, an absolute path, lies on.

    None if it lies on none, or if the system does not tell: only Linux lists its mounts, in a file
    (*mounts*, if it is another one than usual).
    """
    try:
        table = (mounts or MOUNTS).read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None
    best: tuple[int, str] = (-1, "")
    for line in table.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = Path(_ESCAPED.sub(lambda match: chr(int(match[1], 8)), fields[1]))
        depth = len(point.parts)
        # A later line hides an earlier one for the same place.
        if depth >= best[0] and (folder == point or point in folder.parents):
            best = (depth, fields[2])
    return best[1] if _is_network(best[1]) else None


def _is_network(kind: str) -> bool:
    program = kind.removeprefix("fuse.")
    return kind in _NETWORK or (program != kind and program in _NETWORK_FUSE)
