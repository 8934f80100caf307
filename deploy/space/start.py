"""What runs in the Space: the whole stack, and a copy of its state in a bucket when one is mounted.

A bucket keeps files that are closed, and no database lives on such: the stack runs on the container's disk. At the
start its state is restored from the bucket; every ten minutes, and at a stop, it is written there. Trained models are
files that never change, and are kept in the bucket itself.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

BUCKET = Path(os.environ.get("SPACE_BUCKET", "/data"))
EVERY_S = float(os.environ.get("SPACE_BACKUP_EVERY_S", "600"))
HOME = Path(os.environ["OVERHEARD_HOME"])
ARCHIVE = BUCKET / "overheard.tar"
OVERHEARD = (str(Path(sys.executable).with_name("overheard")),)
UP = (*OVERHEARD, "up", "--no-demo", "--without", "flower", "--without", "mlflow")


def main() -> int:
    """Returns the stack's exit status."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    problem = unusable()
    if problem:
        print(f"{problem}. A restart loses everything: labels, posts, jobs, trained models", flush=True)
    else:
        os.environ.setdefault("OVERHEARD_MODEL_STORE", str(BUCKET / "models"))
        print(f"state is kept in {BUCKET}: trained models at once, the rest every {EVERY_S:.0f} s", flush=True)
        if restore() != 0:
            return 1
    with subprocess.Popen(UP, start_new_session=True) as stack:
        kept_at = time.monotonic()
        while stack.poll() is None and not stop.wait(1):
            if not problem and time.monotonic() - kept_at > EVERY_S:
                keep()
                kept_at = time.monotonic()
        if not problem:
            keep()  # at once, in case that the rest takes longer than we are given
        if stack.poll() is None:
            stack.terminate()
        status = stack.wait()
    if not problem:
        keep()
    return status


def unusable() -> str:
    """Why nothing can be kept in the bucket; empty when it can."""
    if not BUCKET.is_dir():
        return f"No bucket is mounted at {BUCKET}"
    try:
        with tempfile.TemporaryFile(dir=BUCKET):
            return ""
    except OSError as error:
        return f"The bucket at {BUCKET} can't be written to by user {os.getuid()} ({error.strerror})"


def restore() -> int:
    """Into a state folder without a database; a restart within one container has one. Returns an exit status."""
    if not ARCHIVE.exists() or (HOME / "overheard.db").exists():
        return 0
    return subprocess.run((*OVERHEARD, "restore", str(ARCHIVE)), check=False).returncode


def keep() -> None:
    """A failure is told, and the next time may succeed: what was kept before stays."""
    local, draft = HOME / "backup.tar", BUCKET / ".overheard.tar.draft"
    if subprocess.run((*OVERHEARD, "backup", str(local)), check=False).returncode:
        return
    try:
        shutil.copyfile(local, draft)
        draft.replace(ARCHIVE)
    except OSError as error:
        print(f"the state could not be kept in {BUCKET}: {error}", file=sys.stderr, flush=True)
    local.unlink()


if __name__ == "__main__":
    sys.exit(main())
