"""Stands in for the worker where a test needs one that misbehaves: the job's seed says how.

0: well-behaved, one iteration in 20 ms, every kept one a frame. 1: hangs after its first iteration.
2: dies at its second iteration. 3: floods with progress. 4: sends garbage. 5: previews all the time.
A device "broken" cannot start.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import zmq

from nst_server.wire.params import Params
from nst_server.wire.pixels import Pixels


def main(device: str, endpoint: str) -> None:
    """Take jobs until the server is gone."""
    if device == "broken":
        raise SystemExit("ImportError: libtorch is not here")
    socket = zmq.Context().socket(zmq.DEALER)
    socket.connect(endpoint)

    def send(kind: str, chunk: bytes | None = None, **fields: Any) -> None:
        header = json.dumps({"type": kind, **fields}).encode()
        socket.send_multipart([header] if chunk is None else [header, chunk])

    send("ready", device={"id": device, "name": "script"}, encoders=["auto", "built-in"])
    while server_is_there():
        if socket.poll(100):
            task = json.loads(socket.recv_multipart()[0])
            if task["type"] == "run":
                work(socket, send, task)


def server_is_there() -> bool:
    """Whether the parent is still the server."""
    return os.getppid() == int(os.environ["NST_SERVER_PID"])


def work(socket: Any, send: Any, task: dict[str, Any]) -> None:
    """Do one job as its seed says."""
    job, params = task["job"], Params.from_header(task["params"])
    revision, previews, stop = task["revision"], task["previews"], False
    content = Pixels.from_header(task["content"]["pixels"])
    behaviour, sequence, iteration = params.seed, 0, 0
    paused = task["paused"]
    send("preparing", job=job, what="learning", done=1, total=2, unit="")
    send("running", job=job, device="script", encoder="none")
    if behaviour == 4:
        socket.send_multipart([b"\xff not json", b"x"])
        send("nonsense", job=job)
        send("frame", job=job, sequence=99)
    while not stop and iteration < params.iterations and server_is_there():
        while socket.poll(0 if not paused else 20):
            command = json.loads(socket.recv_multipart()[0])
            if command["type"] == "cancel":
                send("cancelled", job=job)
                return
            stop = stop or command["type"] == "stop"
            paused = {"pause": True, "resume": False}.get(command["type"], paused)
            previews = command.get("wanted", previews)
            revision = command.get("revision", revision)
        if paused:
            continue
        time.sleep(0.0 if behaviour in (3, 5) else 0.02)
        iteration += 1
        if behaviour == 2 and iteration == 2:
            os.abort()
        scale = [content.width, content.height]
        common = {"job": job, "iteration": iteration, "revision": revision, "scale": scale}
        final = stop or iteration == params.iterations
        progress = {"total": params.iterations, "evaluations": iteration, "losses": {"total": 1.0}}
        send("progress", **common, **progress)
        if previews and behaviour == 5:
            small = content.of(bytes(content.bytes))
            shown = {"sequence": 0, "kept": False, "final": False, "encoder": "none"}
            send("preview", bytes(content.bytes), **common, **shown, pixels=small.to_header())
        if params.frames.keeps(iteration) or final:
            sequence += 1
            data = bytes([iteration % 256]) * content.bytes
            name = f"{sequence:06d}.bin"
            (Path(task["folder"]) / name).write_bytes(data)
            kept = {"sequence": sequence, "kept": True, "final": final, "encoder": "none"}
            send("frame", **common, **kept, pixels=content.of(data).to_header(), file=name)
        while behaviour == 1 and server_is_there():
            time.sleep(0.1)
    ending = {"reason": "stopped" if stop else "completed", "iteration": iteration, "seconds": 1.0}
    send("done", job=job, **ending, encoder="none", device="script", plan={}, notes=[])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
