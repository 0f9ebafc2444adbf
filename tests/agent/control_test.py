#!/usr/bin/env python3
"""What a master and an operator can do with a node and its jobs: cancel, pause, drain, logs, progress, local server. Usage:
control_test.py [NAME...]"""
from edge import *

F = None


def state_of(pid):
    """R, S, T, … of a process; "" when it is gone."""
    with contextlib.suppress(OSError):
        return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0]
    return ""


def ticking(a, seconds=30, **more):
    """A job that counts up in a file, ten times a second."""
    count = f"{a.folder}/count-{time.time_ns()}"
    script = f"i=0; while [ $i -lt {int(seconds * 10)} ]; do i=$((i+1)); echo $i >{count}; echo line $i; sleep 0.1; done"
    id = F.submit(type="exec", params={"command": ["sh", "-c", script]}, max_attempts=1, **more)
    read = lambda: int(open(count).read() or 0) if os.path.exists(count) else 0
    eventually(lambda: read() > 2)
    return id, read


def running(a):
    return [r for r in a.runs() if r.get("state") in ("running", "paused")]


def test_cancel_reaches_the_process():
    a = F.agent(args=["--allow-exec"]).start()
    id, count = ticking(a)
    pid = running(a)[0]["identity"]["pid"]
    assert F.master.http()("POST", f"/api/v1/jobs/{id}/cancel", {"reason": "not needed"}).status == 200
    job = F.wait(id, timeout=15)
    assert job["state"] == "cancelled", job
    eventually(lambda: state_of(pid) in ("", "Z"), 15)
    eventually(lambda: a.work_folders() == [], 15)
    a.close()


def test_cancel_of_a_job_whose_agent_is_away():
    a = F.agent(args=["--allow-exec"]).start()
    id, count = ticking(a)
    a.kill()
    F.master.http()("POST", f"/api/v1/jobs/{id}/cancel", {})
    a.start()
    assert F.wait(id, timeout=20)["state"] == "cancelled"
    assert eventually(lambda: running(a) == [] and "yes", 15)
    a.close()


def test_pause_and_resume():
    a = F.agent(args=["--allow-exec"]).start()
    id, count = ticking(a)
    assert F.master.http()("POST", f"/api/v1/jobs/{id}/pause", {}).status == 200

    def stands():
        before = count()
        time.sleep(0.7)
        return count() == before
    eventually(stands, 10)
    # An agent that is killed and comes back leaves it paused.
    a.kill()
    a.start()
    time.sleep(1)
    assert stands()
    assert F.master.http()("POST", f"/api/v1/jobs/{id}/resume", {}).status == 200
    eventually(lambda: not stands(), 10)
    F.master.http()("POST", f"/api/v1/jobs/{id}/cancel", {})
    F.wait(id)
    a.close()


def test_a_job_that_is_moved_gets_its_queues_share():
    a = F.agent(args=["--allow-exec"]).start()
    id, count = ticking(a)
    run = next(r["job_id"] for r in a.runs() if r["job_id"].startswith("a-"))

    def weight():
        page = json.loads(a.ffrtmp("status", "--json", run).stdout)
        return next((row["asked"]["text"] for row in page["receipt"]["limits"] if row["limit"] == "cpu.weight"), None)
    assert weight() == "100", weight()
    patch = F.master.http()("PATCH", f"/api/v1/jobs/{id}", {"queue": "live", "priority": "high"})
    assert patch.status == 200, patch
    eventually(lambda: weight() == "800", 15)
    # Also by an agent that was not there when it was moved.
    a.kill()
    assert F.master.http()("PATCH", f"/api/v1/jobs/{id}", {"queue": "batch"}).status == 200
    a.start()
    eventually(lambda: weight() == "20", 15)
    F.master.http()("POST", f"/api/v1/jobs/{id}/cancel", {})
    F.wait(id)
    a.close()


def test_logs_arrive_while_it_runs_whole_and_once():
    a = F.agent(args=["--allow-exec"]).start()
    id, count = ticking(a, 3)
    eventually(lambda: "line 3\n" in F.logs(id), 10)
    assert F.job(id)["state"] == "running"
    a.kill()
    a.start()
    F.wait(id, "succeeded")
    lines = F.logs(id).splitlines()
    assert lines == [f"line {i}" for i in range(1, 31)], lines
    a.close()


def test_progress_of_a_film():
    a = F.agent().start()
    id = F.submit(type="transcode", input=in_folder(a, film(8, "320x240")), output="o.mp4", params={"preset": "veryslow", "height": 480})
    progress = eventually(lambda: "percent" in (F.job(id).get("progress") or {}) and F.job(id)["progress"], 40, 0.2)
    assert 0 <= progress["percent"] <= 100 and progress["out_time_s"] >= 0 and progress["memory_bytes"] > 0 and "speed" in progress, progress
    node = a.node()
    assert node["jobs"][0]["job"] == id and node["jobs"][0]["step"] == "running", node
    F.wait(id, "succeeded", timeout=120)
    a.close()


def test_drain_by_the_master_and_by_signal():
    a = F.agent(args=["--allow-exec", "--drain"]).start()
    id, count = ticking(a, 2)
    node = a.node()["node"]
    assert F.master.http()("POST", f"/api/v1/nodes/{node}/drain", {"reason": "test"}).status == 200
    eventually(lambda: a.node()["draining"])
    assert a.get("/ready")[0] == 503 and "drained" in a.get("/ready")[1]
    later = F.submit(type="exec", params={"command": ["true"]})
    assert F.wait(id)["state"] == "succeeded"
    time.sleep(1)
    assert F.job(later)["state"] == "queued"
    F.master.http()("POST", f"/api/v1/nodes/{node}/undrain", {})
    assert F.wait(later)["state"] == "succeeded"
    # With --drain, SIGTERM finishes what there is and takes no more.
    id, count = ticking(a, 2)
    a.process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    later = F.submit(type="exec", params={"command": ["true"]})
    assert a.died(20) == 0
    assert F.job(id)["state"] == "succeeded" and F.job(later)["state"] == "queued"
    F.master.http()("POST", f"/api/v1/jobs/{later}/cancel", {})
    a.close()


def test_another_ffmpeg_is_noticed():
    tools = scratch("tools")

    def install(text):
        with open(tools + "/new", "w") as f:
            f.write("#!/bin/sh\n" + text)
        os.chmod(tools + "/new", 0o755)
        os.rename(tools + "/new", tools + "/ffmpeg")

    # One without x264.
    install(f'case "$*" in *libx264*) echo no such encoder >&2; exit 1 ;; esac\nexec {shutil.which("ffmpeg")} "$@"\n')
    a = F.agent(env={"PATH": f"{tools}:{os.environ['PATH']}", "XDG_CACHE_HOME": tools + "/cache"}).start()
    id = eventually(lambda: a.node()["node"], 60)
    encoders = lambda: F.master.http()("GET", f"/api/v1/nodes/{id}").json["capabilities"]["encoders"]
    eventually(lambda: encoders(), 60)
    assert "libx264" not in encoders() and "libmp3lame" in encoders(), encoders()
    install(f'exec {shutil.which("ffmpeg")} "$@"\n')
    eventually(lambda: "libx264" in encoders(), 60)
    a.close()
    shutil.rmtree(tools)


def test_encoder_sessions_are_shared_out():
    a = F.agent(args=["--allow-exec", "--encoder-sessions", "2"], slots=4).start()
    ran = a.folder + "/ran"
    job = lambda sessions, what: F.submit(type="exec", params={"command": ["sh", "-c", what]}, require={"encoder_sessions": sessions})
    ids = [job(1, f"echo s >>{ran}; sleep 1; echo e >>{ran}") for _ in range(4)]
    never = job(3, "true")
    for id in ids:
        F.wait(id, "succeeded")
    at_once, most = 0, 0
    for line in open(ran).read().split():
        at_once += 1 if line == "s" else -1
        most = max(most, at_once)
    assert most == 2, most
    assert F.job(never)["state"] == "queued"
    why = F.master.http()("GET", f"/api/v1/jobs/{never}/why").json
    assert "encoder sessions" in json.dumps(why), why
    F.master.http()("POST", f"/api/v1/jobs/{never}/cancel", {})
    a.close()


def test_exec_only_where_it_is_allowed():
    a = F.agent().start()
    http = F.master.http()
    marker = f"{a.folder}/owned"
    answer = http("POST", "/api/v1/jobs", {"type": "exec", "params": {"command": ["touch", marker]}})
    if answer.status == 201:
        time.sleep(2)
        assert http("GET", f"/api/v1/jobs/{answer.json['id']}").json["state"] == "queued"
        http("POST", f"/api/v1/jobs/{answer.json['id']}/cancel", {})
    assert not os.path.exists(marker)
    a.close()


def test_limits_are_the_stricter_ones():
    a = F.agent(args=["--allow-exec"], config='[limits]\nmemory-max = "300M"\npids-max = 50\n').start()
    id = F.submit(type="exec", params={"command": ["true"]}, limits={"memory": "8G", "pids": 40, "cpu": "150%"}, queue="batch")
    rows = {r["limit"] if "limit" in r else r["name"]: r for r in F.wait(id, "succeeded")["result"]["receipt"]}
    asked = {name: row["asked"]["raw"] if isinstance(row["asked"], dict) else row["asked"] for name, row in rows.items()}
    assert str(asked["memory.max"]) in (str(300 << 20), "300M") and str(asked["pids.max"]) == "40", asked
    assert str(asked["cpu.weight"]) == "20", asked
    a.close()


def test_the_local_server_tells_the_truth():
    a = F.agent(args=["--allow-exec"]).start()
    eventually(lambda: a.get("/ready")[0] == 200)
    assert a.get("/health")[0] == 200 and a.get("/nothing")[0] == 404
    id, count = ticking(a, 1)
    text = a.get("/metrics")[1]
    assert 'ffrtmp_agent_attempts{step="running"} 1' in text and "ffrtmp_agent_attempts_launched_total 1" in text and text.endswith("# EOF\n"), text
    F.wait(id)
    eventually(lambda: "ffrtmp_agent_results_acknowledged_total 1" in a.get("/metrics")[1])
    assert id not in a.get("/metrics")[1]
    a.close()


def test_a_restart_swallows_no_job():
    a = F.agent(args=["--allow-exec"]).start()
    eventually(lambda: a.node()["master_reached"])
    time.sleep(0.5)
    a.kill()  # its poll stays parked at the master
    a.start()
    eventually(lambda: a.node()["master_reached"])
    time.sleep(0.7)
    began = time.time()
    F.wait(F.submit(type="exec", params={"command": ["true"]}), "succeeded")
    assert time.time() - began < 2.5, time.time() - began
    a.close()


def test_commands_come_at_once_though_heartbeats_are_rare():
    with Fleet(QUICK.replace('heartbeat_min = "900ms"', 'heartbeat_min = "60s"')) as fleet:
        commands_at_once(fleet)


def commands_at_once(fleet):
    """Over the parked poll, of a node with a free slot and of one without; one wait for a heartbeat would be a minute."""
    global F
    before, F = F, fleet
    try:
        for slots in 2, 1:
            a = F.agent(args=["--allow-exec"], slots=slots).start()
            node = eventually(lambda: a.node()["master_reached"] and a.node()["node"])
            http = F.master.http()
            id, count = ticking(a, 100)

            def stands():
                at = count()
                time.sleep(0.5)
                return count() == at
            for verb, paused in ("pause", True), ("resume", False):
                assert http("POST", f"/api/v1/jobs/{id}/{verb}", {}).status == 200
                eventually(lambda: stands() == paused, 20)
            assert http("POST", f"/api/v1/nodes/{node}/drain", {}).status == 200
            eventually(lambda: a.node()["draining"], 20)
            time.sleep(0.5)
            assert http("POST", f"/api/v1/nodes/{node}/undrain", {}).status == 200
            eventually(lambda: not a.node()["draining"], 20)
            time.sleep(0.5)
            assert http("POST", f"/api/v1/jobs/{id}/cancel", {}).status == 200
            assert F.wait(id, timeout=20)["state"] == "cancelled"
            # And the slot that it had is not kept by the poll that asked for nothing.
            assert F.wait(F.submit(type="exec", params={"command": ["true"]}), timeout=20)["state"] == "succeeded"
            a.close()
            http("DELETE", f"/api/v1/nodes/{node}?force=true")
    finally:
        F = before


def test_a_closed_node_waits_quietly_and_hears_at_once():
    """A node with nothing to do that is drained, then one that is cordoned: a heartbeat would come a minute later."""
    with Fleet(QUICK.replace('heartbeat_min = "900ms"', 'heartbeat_min = "60s"')) as fleet:
        a = fleet.agent(args=["--allow-exec"], poll_wait="60s").start()
        node = eventually(lambda: a.node()["master_reached"] and a.node()["node"])
        http = fleet.master.http()

        def asked():
            return sum(int(line.split()[1]) for line in a.get("/metrics")[1].splitlines()
                       if line.startswith(("ffrtmp_agent_polls_", "ffrtmp_agent_heartbeats_")))
        for close, open in ("drain", "undrain"), ("cordon", "uncordon"):
            time.sleep(1)
            assert http("POST", f"/api/v1/nodes/{node}/{close}", {}).status == 200
            id = fleet.submit(type="exec", params={"command": ["true"]})
            # It has heard, and asks no more.
            counts = [asked()]
            eventually(lambda: counts.append(asked()) or len(counts) > 6 and len(set(counts[-6:])) == 1, 30, 0.5)
            assert fleet.job(id)["state"] == "queued"
            assert http("POST", f"/api/v1/nodes/{node}/{open}", {}).status == 200
            assert fleet.wait(id, timeout=20)["state"] == "succeeded"


if __name__ == "__main__":
    main(globals())
