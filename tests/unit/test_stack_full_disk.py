"""A full disk, for which /dev/full stands here, does not end the process that keeps all others running."""

import subprocess
import sys
from pathlib import Path

from overheard.stack.processes import SUPERVISORD
from tests.stack import eventually

CONFIGURATION = """\
[supervisord]
nodaemon=true
silent=true
logfile=/dev/full
logfile_maxbytes=0
childlogdir={folder}
pidfile={folder}/pid

[program:chatty]
command={python} {folder}/chatty.py
autorestart=true
startsecs=0
redirect_stderr=true
stdout_logfile=/dev/full
stdout_logfile_maxbytes=0
"""
CHATTY = """\
import pathlib, time
for number in range(10):
    print(number, flush=True)
    time.sleep(0.05)
pathlib.Path(__file__).with_name(f"{time.time()}.end").touch()
"""


def test_supervisord_goes_on_when_neither_its_log_nor_a_complaint_can_be_written(tmp_path: Path) -> None:
    configuration = tmp_path / "supervisord.conf"
    configuration.write_text(CONFIGURATION.format(folder=tmp_path, python=sys.executable))
    (tmp_path / "chatty.py").write_text(CHATTY)
    command = [sys.executable, "-m", SUPERVISORD, "-c", str(configuration)]
    with Path("/dev/full").open("w") as full, subprocess.Popen(command, stdout=full, stderr=full) as supervisord:
        try:
            eventually(lambda: len(list(tmp_path.glob("*.end"))) > 1 or supervisord.poll() is not None)
            assert supervisord.poll() is None
        finally:
            supervisord.terminate()
