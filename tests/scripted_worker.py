"""Stands in for the worker where a test needs one that misbehaves: the job's seed says how.

0: well-behaved, one iteration in 20 ms, every kept one a frame. 1: hangs after its first iteration.
2: dies at its second iteration. 3: floods with progress. 4: sends garbage. 5: previews all the time.
6: fails, says that it leaves, and hears nothing more until it has.
It writes no checkpoints: a paused job keeps its device. The device "mps" cannot start here.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from nst_server.wire.messages import Message
from nst_server.wire.params import Params
from nst_server.wire.pixels import Pixels
from nst_server.worker.link import Link


def main(device: str, endpoint: str) -> None:
    """Take jobs until the server is gone."""
    if device == "mps":
        raise SystemExit("ImportError: libtorch is not here")
    link = Link(endpoint)
    link.send("ready", device={"id": device, "name": "script"}, encoders=["auto", "built-in"])
    while True:
        task = link.receive(0.1)
        if task is not None and task.type == "leave":
            return
        if task is not None and task.type == "run":
            work(link, task)


def work(link: Link, task: Message) -> None:
    """Do one job as its seed says."""
    job, params = task["job"], Params.from_header(task["params"])
    revision, previews, stop = task["revision"], task["previews"], False
    content = Pixels.from_header(task["content"]["pixels"])
    behaviour, sequence, iteration = params.seed, 0, 0
    paused = task["paused"]
    link.send("preparing", job=job, what="learning", done=1, total=2, unit="")
    link.send("running", job=job, device="script", encoder="none")
    if behaviour == 6:
        leave(link, job)
    if behaviour == 4:
        talk_nonsense(link, job)
    while not stop and iteration < params.iterations:
        while (command := link.receive(0.02 if paused else 0)) is not None:
            if command.type == "leave":
                raise SystemExit
            if command.type == "cancel":
                link.send("cancelled", job=job)
                return
            stop = stop or command.type == "stop"
            paused = {"pause": True, "resume": False}.get(command.type, paused)
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
        link.send("progress", **common, **progress)
        if previews and behaviour == 5:
            small = content.of(bytes(content.bytes))
            shown = {"sequence": 0, "kept": False, "final": False, "encoder": "none"}
            link.send("preview", bytes(content.bytes), **common, **shown, pixels=small.to_header())
        if params.frames.keeps(iteration) or final:
            sequence += 1
            data = bytes([iteration % 256]) * content.bytes
            name = f"{sequence:06d}.bin"
            (Path(task["folder"]) / name).write_bytes(data)
            kept = {"sequence": sequence, "kept": True, "final": final, "encoder": "none"}
            link.send("frame", **common, **kept, pixels=content.of(data).to_header(), file=name)
        server = os.getppid()
        while behaviour == 1 and os.getppid() == server:
            time.sleep(0.5)
    ending = {"reason": "stopped" if stop else "completed", "iteration": iteration, "seconds": 1.0}
    link.send("done", job=job, **ending, encoder="none", device="script", plan={}, notes=[])


def leave(link: Link, job: str) -> None:
    """End as after an error of the device, but slowly."""
    link.send("failed", job=job, code="internal", message="CUDA error.", hint="None.", leaving=True)
    time.sleep(0.5)
    raise SystemExit(1)


def talk_nonsense(link: Link, job: str) -> None:
    """Send what nobody can use."""
    link._socket.send_multipart([b"\xff not json", b"x"])
    link._socket.send_multipart([b'{"type": "progress", "job": "%s", "iteration": NaN}' % job.encode()])
    link.send("nonsense", job=job)
    link.send("frame", job=job, sequence=99)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
