"""One run of the engine process: starts it, connects to it, ends it. Knows no message by name."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from multiprocessing.connection import Client, Connection
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[1]


class LinkError(Exception):
    """The engine process could not be started; the message is one line."""


class EngineLink:
    """A running engine process and the connection to it.

    Raises:
        LinkError: the process ended, or spoke nonsense, before it could be reached.
    """

    def __init__(
        self,
        engine: str,  # module with load_world
        device: str,
        threads: int,
        folder: Path,  # for the socket and the log
        tries: int,  # how many were started before: names the socket
    ) -> None:
        key = secrets.token_bytes(32)
        command = [sys.executable, "-m", "explorer.engine_process", "--engine", engine]
        command += ["--device", device, "--threads", str(threads)]
        if os.name == "posix":
            command += ["--address", str(folder / f"engine{tries}.sock")]
        with (folder / "engine.log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=_environment(threads),
            )
        try:
            self._connection = self._connect(key)
        except (OSError, EOFError, ValueError) as error:
            self.kill()
            raise LinkError(f"the engine process did not start ({error})") from error

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, data: bytes) -> None:
        """Raises OSError when the engine is gone. May block while the engine is busy."""
        self._connection.send_bytes(data)

    def receive(self, wait_s: float) -> bytes | None:
        """The next message, or None after `wait_s`. Raises EOFError, OSError: it is gone."""
        return self._connection.recv_bytes() if self._connection.poll(wait_s) else None

    def kill(self) -> None:
        """Ends the process now; safe to call twice, and from another thread than `receive`."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def _connect(self, key: bytes) -> Connection:
        to_engine, from_engine = _pipes(self._process)
        to_engine.write(key.hex().encode() + b"\n")
        to_engine.flush()
        address = from_engine.readline().decode().strip()
        if not address:
            raise EOFError("it ended before it listened; see engine.log")
        return Client(address, authkey=key)


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    assert process.stdin is not None and process.stdout is not None
    return process.stdin, process.stdout


def _environment(threads: int) -> dict[str, str]:
    """Ours, and the thread count, which OpenMP only reads before torch is imported."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
    }
