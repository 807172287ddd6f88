"""Where the program begins."""

import os
import signal

# Before torch is loaded: its threads would spin while they wait, which on a busy machine costs three times the time.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OMP_NUM_THREADS", str(min(os.cpu_count() or 1, 8)))


def main() -> None:
    """Load the commands and run one."""
    # Until there is somebody to catch it, Ctrl-C ends the program without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from countenance.cli.app import main as run_command

    run_command()
