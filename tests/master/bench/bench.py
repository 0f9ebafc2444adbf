#!/usr/bin/env python3
"""A master beside other queues, in one run: what they submit, what they carry from claim to completion, empty and with many queued; then
what thousands of parked agents cost. Everybody is at the same machine, on the same PostgreSQL where they use one, and waits for the disk
before it answers. Prints figures; it is not a timed test. docs/BENCHMARKS.md says what they mean."""
import argparse, resource, statistics
import os, sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import fleet
from fleet import *

fleet.contract = None  # its look at every answer is for tests
CONFIG = '[limits]\nrequests_per_second = 0\nopen_requests_per_key = 0\n[timers]\nheartbeat_min = "20s"\n'
CLIENT = os.path.join(BUILD, "ffrtmp_master_bench")
PEERS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../bench/peers")
JOB = {"type": "bench", "params": {"crf": 23, "preset": "medium"}, "input": "/media/in.mp4"}
MODES = {"batches of 100": (4, 100, 20000), "one by one": (16, 1, 4000)}  # clients, jobs a request, jobs


class Ours:
    """A master on SQLite, or on PostgreSQL."""
    def __init__(self, folder, database=None):
        self.master = Master(folder, db=database, config=CONFIG).start()

    def fill(self, jobs):
        ask = self.master.http(timeout=120)
        while jobs > 0:
            answer = ask("POST", "/api/v1/jobs", dict(JOB, count=min(jobs, 10000)))
            assert answer.status == 201, answer
            jobs -= 10000

    def measure(self, clients, batch, jobs):
        m = self.master
        return asked([CLIENT, str(m.port), m.ca, m.key, "lifecycle", str(clients), str(batch), str(jobs)])

    def servers(self):
        return [self.master.process.pid]

    def close(self):
        self.master.kill()


class Peer:
    """A queue that node speaks to, at a place of its own: a database's URL, or a port."""
    modules = None

    def __init__(self, name, where):
        self.name, self.where = name, where

    def ask(self, *args):
        command = ["node", os.path.join(PEERS, "measure.js"), self.name, str(self.where)] + [str(a) for a in args]
        return asked(command, dict(os.environ, NODE_PATH=self.modules or ""))

    def fill(self, jobs):
        self.ask("fill", jobs)

    def measure(self, clients, batch, jobs):
        return self.ask(clients, batch, jobs)

    def servers(self):
        return []

    def close(self):
        pass


class Beanstalkd(Peer):
    """Its own server, which syncs its log at each write; filling it goes without."""
    def __init__(self, folder):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        super().__init__("beanstalkd", port)
        self.folder = folder
        self.start("-f", "0")

    def start(self, *sync):
        self.process = subprocess.Popen(["beanstalkd", "-l", "127.0.0.1", "-p", str(self.where), "-b", self.folder, *sync], stderr=subprocess.DEVNULL)
        eventually(lambda: socket.socket().connect_ex(("127.0.0.1", self.where)) == 0)

    def fill(self, jobs):
        self.close()
        self.start("-F")
        super().fill(jobs)
        self.close()
        self.start("-f", "0")
        with socket.create_connection(("127.0.0.1", self.where)) as s:
            s.sendall(b"stats\r\n")
            ready = int(re.search(rb"current-jobs-ready: (\d+)", s.recv(65536))[1])
        if ready < jobs:
            raise RuntimeError(f"of {jobs} jobs it has {ready} after a restart")

    def servers(self):
        return [self.process.pid]

    def close(self):
        self.process.terminate()
        self.process.wait()


def asked(command, env=None):
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=560)
    if done.returncode != 0:
        raise RuntimeError((done.stderr.strip() or "no word of why").splitlines()[-1])
    return json.loads(done.stdout or "null")


def memory(pid):
    text = open(f"/proc/{pid}/smaps_rollup").read()
    return int(re.search(r"^Rss:\s+(\d+)", text, re.M)[1]) / 1024


def cpu_s(postgres, servers):
    """What the server processes and all clients that have ended took of the processors."""
    own = resource.getrusage(resource.RUSAGE_CHILDREN)
    ticks = 0
    for pid in postgres.processes() + servers:
        try:
            ticks += sum(int(f) for f in open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[11:15])
        except OSError:
            pass  # a connection that was closed: it counts with its parent
    return own.ru_utime + own.ru_stime + ticks / os.sysconf("SC_CLK_TCK")


def sync_ms(folder, call):
    """What the disk takes to keep 4 KB: the median of some."""
    times, file = [], os.open(folder + "/sync", os.O_CREAT | os.O_WRONLY)
    for _ in range(50):
        os.write(file, b"x" * 4096)
        began = time.perf_counter()
        call(file)
        times.append((time.perf_counter() - began) * 1000)
    os.close(file)
    return round(statistics.median(times), 2)


def machine(folder):
    model = re.search(r"model name\s*: (.*)", open("/proc/cpuinfo").read())
    return {"cpus": os.cpu_count(), "cpu": model[1] if model else "", "kernel": os.uname().release, "load": round(os.getloadavg()[0], 1),
            "fdatasync_ms": sync_ms(folder, os.fdatasync), "fsync_ms": sync_ms(folder, os.fsync)}


def versions(postgres):
    first = lambda *command: subprocess.run(command, capture_output=True, text=True).stdout.split("\n")[0].strip()
    out = json.load(open(PEERS + "/package.json"))["dependencies"]
    for name, command in (("node", ("node", "--version")), ("beanstalkd", ("beanstalkd", "-v")), ("postgresql", (postgres.bin + "/postgres", "--version"))):
        try:
            out[name] = first(*command).split(" ", 1)[-1]
        except OSError:
            pass
    return out


def settle(postgres, where):
    """A queue that has long been full has been vacuumed."""
    if str(where).startswith("postgres:"):
        subprocess.run([postgres.bin + "/psql", "-q", "-d", where, "-c", "VACUUM ANALYZE", "-c", "CHECKPOINT"], check=True)


HEAD = "{:<18} {:<14} {:>7} {:>9} {:>13} {:>10} {:>8} {:>11} {:>5}"


NOTES = """CPU is what clients, servers and PostgreSQL took together, of a job's submission and lifecycle. A claim is a request: of 100 jobs in batches. The time of a lifecycle holds, each on the disk before it is answered,
  master            lease, accept, heartbeat, result, over TLS; a record of each attempt, four events a job, a fence and a lease. On
                    PostgreSQL a routine heartbeat does not wait for the disk.
  pg-boss           fetch, complete: two statements; no TLS, no lease or heartbeat, no history (the row keeps its last moments), no fence
  graphile-worker   its own pool: get_job, complete_job (which deletes); no TLS, heartbeat, history, fence. In batches a claim is mostly
                    taken from memory; the end of a job is not waited for by the worker
  beanstalkd        reserve, touch, delete; one thread, memory with a log (put and delete are synced, with fsync, one by one); no TLS, history
A queue that was not done after 20 s of lifecycles is told by what it did until then."""


def run(args, folder, postgres, rows):
    def ours_sqlite(place): return Ours(place), None
    def ours_postgres(place):
        where = postgres.database()
        return Ours(place, where), where
    def npm(name):
        def start(place):
            where = postgres.database()
            return Peer(name, where), where
        return start
    queues = {"master, SQLite": ours_sqlite, "master, PostgreSQL": ours_postgres, "pg-boss": npm("pg-boss"),
              "graphile-worker": npm("graphile-worker"), "beanstalkd": lambda place: (Beanstalkd(place), None)}
    print(HEAD.format("", "", "queued", "submit/s", "lifecycles/s", "claim p50", "p99 ms", "CPU us/job", "load"))
    for backlog in sorted({0, args.backlog}):
        for name, start in queues.items():
            if args.only and not any(part in name.lower() for part in args.only):
                continue
            place = tempfile.mkdtemp(dir=folder)
            queue = None
            try:
                queue, where = start(place)
                if backlog:
                    queue.fill(backlog)
                    settle(postgres, where)
                for mode, (clients, batch, jobs) in MODES.items():
                    load = os.getloadavg()[0]
                    jobs //= 5 if args.quick else 1
                    before = cpu_s(postgres, queue.servers())
                    row = queue.measure(clients, batch, jobs)
                    row["cpu_us_a_job"] = (cpu_s(postgres, queue.servers()) - before) / max(1, row.get("ended", jobs)) * 1e6
                    row.update(queue=name, mode=mode, clients=clients, batch=batch, backlog=backlog, load=round(load, 1))
                    rows.append(row)
                    print(HEAD.format(name, mode, backlog, *(f"{row[k]:,.0f}" for k in ("submit_per_s", "lifecycle_per_s")),
                                      *(f"{row[k]:.1f}" for k in ("p50_ms", "p99_ms")), f"{row['cpu_us_a_job']:,.0f}", row["load"]), flush=True)
            except (RuntimeError, OSError, subprocess.SubprocessError) as error:
                print(f"left out: {name}, {backlog} queued: {error}", flush=True)
            finally:
                if queue:
                    queue.close()
                shutil.rmtree(place, ignore_errors=True)


def storm(folder, count):
    """As many agents connect at once and park; what the master is with them, and was before."""
    m = Master(tempfile.mkdtemp(dir=folder), config=CONFIG).start()
    parked = None
    try:
        before, load = memory(m.process.pid), os.getloadavg()[0]
        parked = subprocess.Popen([CLIENT, str(m.port), m.ca, m.key, "park", str(count)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        seconds = float(re.search(r"in ([0-9.]+) s", parked.stdout.readline())[1])
        sent = time.time()
        eventually(lambda: f"ffrtmp_parked_polls {count}\n".encode() in m.http()("GET", "/metrics").raw, 50, 0.05)
        seconds += time.time() - sent
        rss = memory(m.process.pid)
        print(f"{count} agents connect over TLS at once and park: settled after {seconds:.1f} s, the master has {rss:.0f} MB resident "
              f"({(rss - before) * 1024 / count:.1f} KB each), load {load:.1f} before")
        return {"agents": count, "settled_s": round(seconds, 1), "rss_mb": round(rss, 1), "rss_before_mb": round(before, 1), "load": round(load, 1)}
    finally:
        if parked:
            parked.communicate("\n")
        m.kill()


def goals(rows, parked):
    """(goal, what was reached, met) for each that was measured."""
    out = []
    def of(queue, mode, backlog):
        return next((r for r in rows if (r["queue"], r["mode"], r["backlog"]) == (queue, mode, backlog)), None)
    for mode, least in (("batches of 100", 10000), ("one by one", 2000)):
        if row := of("master, SQLite", mode, 0):
            out.append((f"SQLite, {mode}: {least:,} lifecycles/s", f"{row['lifecycle_per_s']:,.0f}", row["lifecycle_per_s"] >= least))
    if row := of("master, SQLite", "one by one", 0):
        out.append(("a claim's p99 below 10 ms", f"{row['p99_ms']:.1f}", row["p99_ms"] < 10))
    for row in rows:
        if row["queue"] != "master, PostgreSQL":
            continue
        others = [o for name in ("pg-boss", "graphile-worker") if (o := of(name, row["mode"], row["backlog"]))]
        for o in others:
            out.append((f"ahead of {o['queue']}, {row['mode']}, {row['backlog']:,} queued", f"{row['lifecycle_per_s']:,.0f} to {o['lifecycle_per_s']:,.0f}",
                        row["lifecycle_per_s"] > o["lifecycle_per_s"]))
    if parked:
        out.append((f"{parked['agents']:,} agents in 120 MB", f"{parked['rss_mb']:.0f}", parked["rss_mb"] < 120))
        out.append((f"{parked['agents']:,} agents at once: settled in 10 s", f"{parked['settled_s']}", parked["settled_s"] < 10))
    return out


def main():
    p = argparse.ArgumentParser(prog="scripts/bench master", description=__doc__)
    p.add_argument("--backlog", type=int, default=500000, help="jobs in the queue before the measured ones (besides none); 0: none only")
    p.add_argument("--parked", type=int, default=5000, help="agents that connect at once; 0: leave that out")
    p.add_argument("--only", nargs="+", metavar="NAME", help="these queues: sqlite postgresql pg-boss graphile beanstalkd")
    p.add_argument("--quick", action="store_true", help="a fifth of the jobs")
    p.add_argument("--json", metavar="FILE", help="the figures, for machines")
    p.add_argument("--modules", help=argparse.SUPPRESS)  # where scripts/bench-master has put the peers
    args = p.parse_args()
    Peer.modules = args.modules
    folder = scratch("bench")
    postgres, rows, parked = Postgres(folder + "/pg"), [], None
    try:
        host, known = machine(folder), versions(postgres)
        print("{cpus} CPUs ({cpu}), kernel {kernel}, load {load}; to sync 4 KB takes {fdatasync_ms} ms (fdatasync), {fsync_ms} ms (fsync)".format(**host))
        print(", ".join(f"{name} {version}" for name, version in known.items()))
        run(args, folder, postgres, rows)
        if args.parked:
            parked = storm(folder, args.parked)
    finally:
        postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)
    print(NOTES)
    reached = goals(rows, parked)
    for goal, figure, met in reached:
        print(f"{'met' if met else 'NOT MET':<8} {goal}: {figure}")
    if args.json:
        with open(args.json, "w") as f:
            json.dump({"machine": host, "versions": known, "rows": rows, "parked": parked,
                       "goals": [{"goal": g, "reached": r, "met": m} for g, r, m in reached]}, f, indent=1)


if __name__ == "__main__":
    main()
