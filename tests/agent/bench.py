#!/usr/bin/env python3
"""Figures of the agent on this host. Usage: bench.py [memory] [latency] [batch]"""
from edge import *
import statistics


def memory_of(pid):
    with open(f"/proc/{pid}/smaps_rollup") as f:
        rows = {line.split()[0]: int(line.split()[1]) for line in f.read().splitlines()[1:]}
    return rows["Rss:"], rows["Private_Dirty:"] + rows["Private_Clean:"]


def cpu_of(pid):
    field = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(field[11]) + int(field[12])) / os.sysconf("SC_CLK_TCK")


def wakes_of(pid):
    count = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        for line in open(f"/proc/{pid}/task/{task}/status"):
            if line.startswith("voluntary_ctxt_switches"):
                count += int(line.split()[1])
    return count


def memory():
    fleet = Fleet(config="")  # a master with its usual periods
    a = fleet.agent(args=["--allow-exec"], slots=100, poll_wait="30s").start()
    eventually(lambda: a.node()["master_reached"])
    time.sleep(12)
    pid = a.process.pid
    rss, private = memory_of(pid)
    cpu, wakes, began = cpu_of(pid), wakes_of(pid), time.time()
    time.sleep(30)
    passed = time.time() - began
    print(f"idle: RSS {rss / 1024:.1f} MB, private {private / 1024:.1f} MB, CPU {(cpu_of(pid) - cpu) / passed * 100:.3f} %, "
          f"{(wakes_of(pid) - wakes) / passed:.1f} wake-ups/s, {len(os.listdir(f'/proc/{pid}/task'))} threads")
    known = 0
    for count in (1, 10, 100):
        for _ in range(count - known):
            fleet.submit(type="exec", params={"command": ["sleep", "600"]}, max_attempts=1)
        known = count
        eventually(lambda: len([r for r in a.runs() if r.get("state") == "running"]) == count, 180)
        time.sleep(12)
        cpu, began = cpu_of(pid), time.time()
        time.sleep(20)
        rss, private = memory_of(pid)
        recorders = [memory_of(json.load(open(f"{a.jobs_dir}/jobs/{r['job_id']}/record.json"))["observer"]["pid"])[1] for r in a.runs() if r["state"] == "running"]
        print(f"{count} jobs: RSS {rss / 1024:.1f} MB, private {private / 1024:.1f} MB, CPU {(cpu_of(pid) - cpu) / (time.time() - began) * 100:.3f} %, "
              f"a recorder {statistics.median(recorders)} KB private")
    fleet.close()


def latency(rounds=20):
    """From the submission's answer to the first frame in a running job's progress, beside what the same command takes by hand."""
    fleet = Fleet(config="")
    a = fleet.agent(args=["--allow-exec"], slots=1).start()
    eventually(lambda: a.node()["master_reached"])
    source = in_folder(a, film(2))
    time.sleep(1)
    times = []
    for i in range(rounds):
        marker = f"{a.folder}/first-{i}"
        began = time.time()
        id = fleet.submit(type="exec", params={"command": ["sh", "-c", f"date +%s.%N >{marker}"]})
        eventually(lambda: os.path.exists(marker) and os.path.getsize(marker), 30, 0.002)
        times.append(float(open(marker).read()) - began)
        fleet.wait(id)
        time.sleep(0.3)
    print(f"submit to the workload's first instruction (exec): p50 {statistics.median(times) * 1000:.0f} ms, worst of {rounds} {max(times) * 1000:.0f} ms")
    bare, through = [], []
    for i in range(rounds):
        out = f"{a.folder}/bare.mp4"
        began = time.time()
        subprocess.run([FFRTMP, "job", "transcode", source, "-o", out, "-p", "preset=ultrafast", "-p", "height=60"],
                       env=dict(os.environ, FFRTMP_STATE_DIR=a.jobs_dir), check=True, capture_output=True)
        bare.append(time.time() - began)
        os.unlink(out)
        began = time.time()
        id = fleet.submit(type="transcode", input=source, output="o.mp4", params={"preset": "ultrafast", "height": 60})
        eventually(lambda: fleet.job(id)["state"] == "succeeded", 60, 0.01)
        through.append(time.time() - began)
    print(f"a 2 s transcode, verified: by hand p50 {statistics.median(bare) * 1000:.0f} ms, through the fleet with its artifact uploaded "
          f"{statistics.median(through) * 1000:.0f} ms")
    fleet.close()


def batch(count=int(os.environ.get("BENCH_JOBS", "200")), slots=2):
    fleet = Fleet(config="")
    a = fleet.agent(slots=slots).start()
    eventually(lambda: a.node()["master_reached"])
    source = in_folder(a, film(2))
    outs = scratch("batch")
    command = f'{FFRTMP} job transcode {source} -o {outs}/$0.mp4 -p preset=ultrafast -p height=60 -q'
    began = time.time()
    subprocess.run(["xargs", "-P", str(slots), "-n", "1", "sh", "-c", command], input="\n".join(map(str, range(count))), text=True, check=True,
                   env=dict(os.environ, FFRTMP_STATE_DIR=a.jobs_dir), capture_output=True)
    by_hand = time.time() - began
    began = time.time()
    subprocess.run(["xargs", "-P", str(slots), "-n", "1", "sh", "-c",
                    f'ffmpeg -nostdin -v error -y -i {source} -vf scale=80:60 -c:v libx264 -preset ultrafast -crf 23 -c:a aac -b:a 128k -movflags +faststart {outs}/$0.mp4'],
                   input="\n".join(map(str, range(count))), text=True, check=True, capture_output=True)
    bare = time.time() - began
    began = time.time()
    answer = fleet.master.http()("POST", "/api/v1/jobs", {"jobs": [{"type": "transcode", "input": source, "output": "o.mp4",
                                                                   "params": {"preset": "ultrafast", "height": 60}} for _ in range(count)]})
    assert answer.status == 201, answer
    http = fleet.master.http()
    # The list grows: it is asked for when the last ones are done, so that asking is no part of what is measured.
    eventually(lambda: all(http("GET", f"/api/v1/jobs/{id}").json["state"] == "succeeded" for id in answer.json["ids"][-slots:]), 600, 0.1)
    eventually(lambda: len(http("GET", "/api/v1/jobs?state=succeeded&limit=1000").json["jobs"]) == count, 600, 0.1)
    through = time.time() - began
    print(f"{count} transcodes of 2 s, {slots} at a time: xargs of ffmpeg {bare:.1f} s; xargs of ffrtmp job (verified) {by_hand:.1f} s; through the fleet "
          f"(verified, uploaded) {through:.1f} s: {through / by_hand:.3f} of ffrtmp job, {through / bare:.3f} of bare ffmpeg")
    shutil.rmtree(outs)
    fleet.close()


if __name__ == "__main__":
    for part in sys.argv[1:] or ["memory", "latency", "batch"]:
        {"memory": memory, "latency": latency, "batch": batch}[part]()
