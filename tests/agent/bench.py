#!/usr/bin/env python3
"""Figures of the agent on this host. Usage: bench.py [memory] [latency] [batch]"""
from edge import *
from fleet import Node
import random, statistics, threading


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


class Poller(threading.Thread):
    """A worker as most are: it asks for a job every ten seconds, and runs its command."""
    PERIOD = 10

    def __init__(self, master):
        super().__init__(daemon=True)
        self.node, self.over = Node(master, "poller", {"types": ["exec"]}), threading.Event()
        self.start()

    def run(self):
        while not self.over.wait(self.PERIOD):
            self.node.heartbeat(self.node.held)
            for grant in self.node.lease():
                self.node.accept(grant)
                subprocess.run(grant["spec"]["params"]["command"])
                self.node.result(grant)


def first_frame(film, marker):
    """A live encode of x264 that says when the first bytes of its stream are out."""
    return ["sh", "-c", f"ffmpeg -nostdin -v quiet -i {film} -c:v libx264 -preset ultrafast -tune zerolatency -f mpegts -flush_packets 1 - | "
                        f"(head -c 188 >/dev/null; date +%s.%N >{marker})"]


def latency(rounds=20, polled=8):
    """From submit to the first frame: by hand, through the fleet, and through a worker that polls; then a whole job by hand and through the fleet."""
    chance = random.Random(1)
    with Fleet(config="") as fleet:
        a = fleet.agent(args=["--allow-exec"], slots=1, poll_wait="30s").start()
        eventually(lambda: a.node()["master_reached"])
        source = in_folder(a, film(2))
        time.sleep(1)

        def until_first_frame(start, count):
            times = []
            for i in range(count):
                marker = f"{a.folder}/first"
                began = time.time()
                over = start(first_frame(source, marker))
                eventually(lambda: os.path.exists(marker) and os.path.getsize(marker), 60, 0.002)
                times.append(float(open(marker).read()) - began)
                over()
                os.unlink(marker)
            return times

        def by_hand(command):
            process = subprocess.Popen(command)
            return process.wait

        def through(fleet, pause):
            def start(command):
                id = fleet.submit(type="exec", params={"command": command})
                return lambda: (fleet.wait(id), time.sleep(pause()))
            return start
        hand, parked = until_first_frame(by_hand, rounds), until_first_frame(through(fleet, lambda: 0.3), rounds)
        with Fleet(config="") as other:
            poller = Poller(other.master)
            waits = until_first_frame(through(other, lambda: chance.uniform(0, Poller.PERIOD)), polled)
            poller.over.set()
        told = lambda times: f"p50 {statistics.median(times) * 1000:.0f} ms (worst of {len(times)}: {max(times) * 1000:.0f})"
        print(f"to the first frame: by hand {told(hand)}; submitted to a node with a parked poll {told(parked)}; to one that polls every "
              f"{Poller.PERIOD} s {told(waits)}, {statistics.median(waits) / statistics.median(parked):.0f} times as long")
        bare, whole = [], []
        for _ in range(rounds):
            out = f"{a.folder}/bare.mp4"
            began = time.time()
            subprocess.run([FFRTMP, "job", "transcode", source, "-o", out, "-p", "preset=ultrafast", "-p", "height=60"],
                           env=dict(os.environ, FFRTMP_STATE_DIR=a.jobs_dir), check=True, capture_output=True)
            bare.append(time.time() - began)
            os.unlink(out)
            began = time.time()
            id = fleet.submit(type="transcode", input=source, output="o.mp4", params={"preset": "ultrafast", "height": 60})
            eventually(lambda: fleet.job(id)["state"] == "succeeded", 60, 0.01)
            whole.append(time.time() - began)
        print(f"a 2 s transcode, verified: by hand p50 {statistics.median(bare) * 1000:.0f} ms, through the fleet with its artifact uploaded "
              f"{statistics.median(whole) * 1000:.0f} ms")


def idle_cpus():
    """CPU seconds that this host had nothing to do with."""
    field = open("/proc/stat").readline().split()
    return (int(field[4]) + int(field[5])) / os.sysconf("SC_CLK_TCK")


def batch(count=int(os.environ.get("BENCH_JOBS", "200")), seconds=int(os.environ.get("BENCH_FILM", "2")), slots=2, turns=5):
    """Many short transcodes: by xargs and ffmpeg, by xargs and ffrtmp job, and through the fleet; in turns, for a machine is not as fast at any time."""
    fleet = Fleet(config="")
    a = fleet.agent(slots=slots).start()
    eventually(lambda: a.node()["master_reached"])
    source = in_folder(a, film(seconds))
    outs = scratch("batch")
    each = count // turns
    http = fleet.master.http()

    def by_xargs(command):
        subprocess.run(["xargs", "-P", str(slots), "-n", "1", "sh", "-c", command], input="\n".join(map(str, range(each))), text=True,
                       check=True, env=dict(os.environ, FFRTMP_STATE_DIR=a.jobs_dir), capture_output=True)

    def by_fleet():
        answer = http("POST", "/api/v1/jobs", {"jobs": [{"type": "transcode", "input": source, "output": "o.mp4",
                                                         "params": {"preset": "ultrafast", "height": 60}} for _ in range(each)]})
        assert answer.status == 201, answer
        # The last ones are asked for, not the list, and not often: asking is no part of what is measured.
        last, done = answer.json["ids"][-slots:], lambda id: http("GET", f"/api/v1/jobs/{id}").json["state"] == "succeeded"
        eventually(lambda: all(map(done, last)), 600, 0.05)
        eventually(lambda: all(map(done, answer.json["ids"])), 600, 0.05)  # one before them may be delivering yet
    ways = {
        "xargs of ffmpeg": lambda: by_xargs(f'ffmpeg -nostdin -v error -y -i {source} -vf scale=80:60 -c:v libx264 -preset ultrafast -crf 23 -c:a aac '
                                            f'-b:a 128k -movflags +faststart {outs}/$0.mp4'),
        "xargs of ffrtmp job (verified)": lambda: by_xargs(f'{FFRTMP} job transcode {source} -o {outs}/$0.mp4 -p preset=ultrafast -p height=60 -q'),
        "through the fleet (verified, uploaded)": by_fleet,
    }
    took, idle = dict.fromkeys(ways, 0.0), dict.fromkeys(ways, 0.0)
    spent = {"the agent": lambda: cpu_of(a.process.pid), "the master": lambda: cpu_of(fleet.master.process.pid), "who measured": time.process_time}
    used = {who: -cpu() for who, cpu in spent.items()}
    for _ in range(turns):
        for way, work in ways.items():
            began, rest = time.time(), idle_cpus()
            work()
            took[way] += time.time() - began
            idle[way] += idle_cpus() - rest
    told = [f"{way} {took[way]:.1f} s ({100 * idle[way] / took[way] / os.cpu_count():.0f} % idle)" for way in ways]
    bare, by_hand, through = took.values()
    print(f"{each * turns} transcodes of {seconds} s, {slots} at a time: {'; '.join(told)}: {through / by_hand:.3f} of ffrtmp job, {through / bare:.3f} of bare "
          f"ffmpeg; CPU a job: " + ", ".join(f"{who} {(used[who] + cpu()) / each / turns * 1000:.0f} ms" for who, cpu in spent.items()))
    shutil.rmtree(outs)
    fleet.close()


if __name__ == "__main__":
    for part in sys.argv[1:] or ["memory", "latency", "batch"]:
        {"memory": memory, "latency": latency, "batch": batch}[part]()
