#!/usr/bin/env python3
"""One master, three agents, jobs of several types with both engines. Usage: fleet_test.py [NAME...]"""
from edge import *

F = None


def test_three_agents_share_jobs_of_several_types():
    agents = [F.agent(slots=2).start() for _ in range(3)]
    sources = film(), film(1)
    root = scratch("shared")
    for a in agents:
        a.stop()
        a.args += ["--input-root", root]
        a.start()
    paths = [shutil.copy(s, root) for s in sources]
    jobs = []
    for path in paths:
        jobs.append((F.submit(type="transcode", input=path, output="f.mp4", params={"height": 60, "preset": "ultrafast"}), "f.mp4"))
        jobs.append((F.submit(type="transcode", input=path, output="g.mkv", params={"height": 60, "engine": "gstreamer"}), "g.mkv"))
        jobs.append((F.submit(type="audio", input=path, output="a.mp3"), "a.mp3"))
        jobs.append((F.submit(type="hash", input=path, params={"of": "frames"}), None))
        jobs.append((F.submit(type="probe", input=path), None))
        jobs.append((F.submit(type="thumbnail", input=path, params={"sizes": [64]}), None))
        jobs.append((F.submit(type="hls", input=path), None))
    nodes = set()
    for id, name in jobs:
        job = F.wait(id, timeout=150)
        assert job["state"] == "succeeded", job
        nodes.add(job["node"])
        if name:
            assert len(F.artifact(id, name)) > 500
    assert len(nodes) == 3, nodes
    for a in agents:
        eventually(lambda: a.work_folders() == [] and a.node()["outbox"] == 0)
    shutil.rmtree(root)


def test_a_node_cut_off_three_ways():
    # The lease of this fleet is some two seconds.
    with Fleet(QUICK.replace('"900ms"', '"600ms"')) as fleet:
        cut_off(fleet)


def cut_off(F):
    """The network is cut by stopping the agent's process: it neither speaks nor hears, and its jobs go on."""
    def job(a, seconds, **more):
        w = f"{a.folder}/w{time.time_ns()}"
        id = F.submit(type="exec", params={"command": ["sh", "-c", f"echo s >>{w}; sleep {seconds}; echo e >>{w}"]}, **more)
        eventually(lambda: os.path.exists(w))
        return id, w
    # 1. Back before its lease has run out: nothing happens.
    a = F.agent(args=["--allow-exec"], slots=1).start()
    id, w = job(a, 3)
    time.sleep(0.7)
    a.process.send_signal(signal.SIGSTOP)
    time.sleep(1)
    a.process.send_signal(signal.SIGCONT)
    assert F.wait(id)["state"] == "succeeded" and len(F.attempts(id)) == 1 and open(w).read().split() == ["s", "e"]
    # 2. Back after the lease, the job still runs, nobody else could take it: it is taken up again where it is.
    id, w = job(a, 8)
    a.process.send_signal(signal.SIGSTOP)
    eventually(lambda: F.job(id)["state"] == "queued", 20)
    a.process.send_signal(signal.SIGCONT)
    assert F.wait(id)["state"] == "succeeded" and open(w).read().split() == ["s", "e"], F.attempts(id)
    # The same while the master already offers it to this very node anew: no second run beside the first.
    id, w = job(a, 8)
    a.kill()
    eventually(lambda: F.job(id)["state"] == "queued", 20)
    a.start()
    assert F.wait(id)["state"] == "succeeded" and open(w).read().split() == ["s", "e"], F.attempts(id)
    # 3. Back after the lease, the job has ended meanwhile: its result is taken late.
    id, w = job(a, 2)
    a.process.send_signal(signal.SIGSTOP)
    eventually(lambda: F.job(id)["state"] == "queued", 20)
    eventually(lambda: open(w).read().split() == ["s", "e"])
    a.process.send_signal(signal.SIGCONT)
    assert F.wait(id)["state"] == "succeeded" and open(w).read().split() == ["s", "e"], F.attempts(id)


if __name__ == "__main__":
    main(globals())
