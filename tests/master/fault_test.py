#!/usr/bin/env python3
"""A simulated fleet under faults, and a checker of its history.

Nodes crash, fall silent, return, repeat themselves and speak out of turn; masters are killed with SIGKILL and started again; with
PostgreSQL two masters serve at once, on two servers of which the first is killed and the second takes its place. Every submitted job must
end; at most one result of a job may be accepted; what was accepted must be there at the end; a stale fence must never be accepted; jobs
must begin in the order of their queues and priorities. The seed is printed.

Usage: fault_test.py sqlite|postgres [--seconds N] [--nodes N] [--masters N] [--seed N]"""
import argparse, collections, datetime, math, os, random, sys, threading, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import contract
from fleet import *
from postgres_pair import PostgresPair

CONFIG = """
[timers]
offer = "1500ms"
heartbeat_min = "500ms"
forget_slack = "800ms"
retry_first = "50ms"
retry_max = "300ms"
restart_grace = "2s"
[limits]
requests_per_second = 0
worker_threads = 16
"""


BACKLOG = 20  # jobs a node
TOLERANCE = 1  # seconds: nodes ask at the same time, of two masters


class History:
    def __init__(self):
        self.lock = threading.Lock()
        self.submitted, self.accepted, self.counts = {}, [], collections.Counter()

    def note(self, what):
        with self.lock:
            self.counts[what] += 1


class Fleet:
    def __init__(self, masters, history, seed):
        self.masters, self.history, self.seed = masters, history, seed
        self.stopping = self.calm = False

    def any(self, rng):
        return rng.choice(self.masters)


def call(fleet, rng, token, method, path, body, headers=None, tries=1, timeout=15):
    """None when no answer came: the caller does not know whether it was done."""
    for _ in range(tries):
        master = fleet.any(rng)
        try:
            h = Http(master.port, master.ca, token, timeout)
            answer = h(method, path, body, headers)
            h.close()
            if answer.status not in (429, 503, 500, 507):
                return answer
            if answer.status == 500:
                fleet.history.note("500")
        except Exception:
            pass
        time.sleep(rng.uniform(0.02, 0.2))
    return None


def some_job(rng):
    return {"type": "t", "max_attempts": 100, "queue": rng.choice(["live", "default", "batch"]), "priority": rng.choice(["high", "medium", "low"])}


def submit_backlog(fleet, count):
    """Before anybody asks for work, so that there is an order to keep."""
    rng = random.Random(f"{fleet.seed}-backlog")
    answer = fleet.masters[0].http()("POST", "/api/v1/jobs", {"jobs": [some_job(rng) for _ in range(count)]})
    assert answer.status == 201, answer
    fleet.history.submitted.update((id, f"backlog-{i}") for i, id in enumerate(answer.json["ids"]))


def submitter(fleet, index, total):
    rng = random.Random(f"{fleet.seed}-s{index}")
    for made in range(total):
        token = f"{fleet.seed}-{index}-{made}"
        body = some_job(rng)
        if rng.random() < 0.2:
            body["offline"] = {"on_return": "stop"}
        # An unanswered submission is repeated until it is answered: the key makes it one job.
        answer = None
        while answer is None:
            answer = call(fleet, rng, fleet.masters[0].key, "POST", "/api/v1/jobs", body, {"Idempotency-Key": token})
        assert answer.status == 201, answer
        with fleet.history.lock:
            fleet.history.submitted[answer.json["id"]] = token
        time.sleep(rng.uniform(0, 0.05))


class LightNode(threading.Thread):
    """An agent reduced to its protocol: a spool of results that survives its crashes, jobs that last a moment."""
    def __init__(self, fleet, index):
        super().__init__(daemon=True)
        self.fleet, self.index, self.rng = fleet, index, random.Random(f"{fleet.seed}-n{index}")
        self.jobs, self.spool, self.old_beat = {}, [], None
        self.reset()

    def reset(self, boot=True):
        self.session, self.beat = f"{self.rng.random()}"[2:12], 0
        if boot:
            self.boot = f"{self.rng.random()}"[2:14]

    def post(self, verb, body, tries=1):
        return call(self.fleet, self.rng, self.token, "POST", f"/api/v1/nodes/{self.id}/{verb}", body, tries=tries)

    def run(self):
        nonce = f"join-{self.fleet.seed}-{self.index}-0123456789"
        answer = None
        while answer is None:
            answer = call(self.fleet, self.rng, self.fleet.masters[0].key, "POST", "/api/v1/nodes/register",
                          {"name": f"light-{self.index}", "nonce": nonce, "capabilities": {"max_jobs": 4, "types": ["t"]}})
        assert answer.status == 201, answer
        self.id, self.token = answer.json["id"], answer.json["token"]
        while not self.fleet.stopping:
            self.step()

    def step(self):
        rng = self.rng
        self.send_heartbeat()
        self.finish_jobs()
        self.send_spool()
        if len(self.jobs) < 4:
            self.ask()
        if self.fleet.calm:
            return
        chance = rng.random()
        if chance < 0.015:  # a crash: what ran is gone, what was spooled is not
            self.fleet.history.note("crash")
            self.jobs = {}
            self.reset(boot=rng.random() < 0.5)
            time.sleep(rng.uniform(0, 1))
        elif chance < 0.05:  # a partition: the work goes on, nobody hears of it
            self.fleet.history.note("partition")
            time.sleep(rng.uniform(1, 4))
        elif chance < 0.08 and self.old_beat:  # a beat that was under way for long
            self.post("heartbeat", self.old_beat)
            self.fleet.history.note("reordered beat")

    def send_heartbeat(self):
        self.beat += 1
        body = {"session": self.session, "boot_id": self.boot, "beat": self.beat,
                "jobs": [{"job": j, "attempt": a, "mark": int(time.time() * 1000), "progress": {}} for (j, a) in self.jobs]}
        if self.rng.random() < 0.3:
            self.old_beat = body
        answer = self.post("heartbeat", body)
        if answer is None or answer.status != 200:
            return
        for command in answer.json["commands"]:
            if command["action"] in ("stop", "cancel"):
                self.jobs.pop((command["job"], command["attempt"]), None)

    def ask(self):
        nonce = f"{self.rng.random()}"
        body = {"nonce": nonce, "max_jobs": 4 - len(self.jobs), "wait_s": self.rng.choice([0, 0.3, 1]), "free": {"slots": 4 - len(self.jobs)}}
        answer = self.post("lease", body)
        if answer is None or self.rng.random() < 0.1:
            answer = self.post("lease", body)  # the answer was lost: the same nonce
        if answer is None or answer.status != 200:
            return
        for grant in answer.json["grants"]:
            if self.rng.random() < 0.02 and not self.fleet.calm:
                continue  # never accepted
            done = self.post("accept", {"job": grant["job"], "attempt": grant["attempt"]}, tries=3)
            if done is not None and done.status == 200:
                self.jobs[(grant["job"], grant["attempt"])] = time.time() + self.rng.uniform(0, 0.4)

    def finish_jobs(self):
        for key, until in list(self.jobs.items()):
            if time.time() < until:
                continue
            outcome = "failed" if self.rng.random() < 0.05 else "succeeded"
            self.spool.append({"job": key[0], "attempt": key[1], "outcome": outcome, "result": {"node": self.id}})
            del self.jobs[key]

    def send_spool(self):
        while self.spool:
            result = self.spool[0]
            copies = 2 if self.rng.random() < 0.1 else 1
            answer = None
            for _ in range(copies):
                answer = self.post("results", result)
                self.record(result, answer)
            if answer is None:
                return  # it stays until the master has acknowledged it
            self.spool.pop(0)

    def record(self, result, answer):
        if answer is None:
            return
        h = self.fleet.history
        if answer.status == 200:
            told = answer.json["jobs"][0]
            with h.lock:
                h.accepted.append((result["job"], result["attempt"], result["outcome"], told.get("duplicate", False), told.get("adopted", False)))
        h.note(f"result {answer.status}")


def fail_over(fleet, rng, pair):
    """The server that takes writes dies; at times a master dies too before the other has taken over."""
    pair.kill_first()
    fleet.history.note("fail-over")
    fallen = [m for m in fleet.masters if rng.random() < 0.3]
    for m in fallen:
        m.kill()
    time.sleep(rng.uniform(0, 2))
    pair.promote()
    for m in fallen:
        m.start()
    time.sleep(rng.uniform(0, 1))
    pair.rejoin()


def chaos(fleet, seconds, rng, pair):
    until = time.time() + seconds
    next_fail_over = time.time() + rng.uniform(2, 5) if pair else math.inf
    while time.time() < until:
        time.sleep(rng.uniform(1.5, 5))
        if time.time() >= next_fail_over:
            fail_over(fleet, rng, pair)
            next_fail_over = time.time() + rng.uniform(4, 15)
            continue
        if pair and rng.random() < 0.2:  # no commit is acknowledged meanwhile
            fleet.history.note("follower away")
            pair.second.stop()
            time.sleep(rng.uniform(0, 3))
            pair.second.start()
            pair.in_step()
        master = rng.choice(fleet.masters)
        master.kill()
        fleet.history.note("kill -9")
        time.sleep(rng.uniform(0, 2.5))
        master.start()


def all_jobs(master):
    out, cursor = {}, ""
    while True:
        page = master.http()("GET", "/api/v1/jobs?limit=1000" + (f"&cursor={cursor}" if cursor else "")).json
        for j in page["jobs"]:
            out[j["id"]] = j
        if not page["next"]:
            return out
        cursor = page["next"]


def check(fleet, master):
    """Every violation, as a sentence."""
    h, jobs, wrong = fleet.history, all_jobs(master), []
    for id in h.submitted:
        if id not in jobs:
            wrong.append(f"{id} was accepted and is lost")
        elif jobs[id]["state"] not in ("succeeded", "failed"):
            wrong.append(f"{id} never ended: {jobs[id]['state']} {jobs[id].get('hold')}")
    for id in set(jobs) - set(h.submitted):
        wrong.append(f"{id} was submitted twice")
    wins = collections.Counter()
    first = set()
    for job, attempt, outcome, duplicate, adopted in h.accepted:
        if outcome != "succeeded":
            continue
        if jobs.get(job, {}).get("state") != "succeeded":
            wrong.append(f"{job}/{attempt} was accepted and is not there: {jobs.get(job, {}).get('state')}")
        first.add((job, attempt))
        if not duplicate:
            wins[job] += 1
    for job, count in wins.items():
        if count > 1:
            wrong.append(f"{job} was counted {count} times")
    for job, count in collections.Counter(j for j, a in first).items():
        if count > 1:
            wrong.append(f"results of {count} attempts of {job} were accepted")
    client = master.http()
    for id, j in jobs.items():
        attempts = client("GET", f"/api/v1/jobs/{id}/attempts").json["attempts"]
        good = [a for a in attempts if a["state"] == "succeeded"]
        if len(good) != (1 if j["state"] == "succeeded" else 0):
            wrong.append(f"{id} is {j['state']} with {len(good)} successful attempts")
        told = [(jb, at) for jb, at in first if jb == id]
        if told and good and told[0][1] != good[0]["attempt"]:
            wrong.append(f"{id}: attempt {told[0][1]} was accepted, attempt {good[0]['attempt']} stands")
        kinds = [e["kind"] for e in client("GET", f"/api/v1/jobs/{id}/history").json["history"]]
        if kinds.count("job.succeeded") > 1 or kinds.count("job.submitted") != 1:
            wrong.append(f"{id}: history {kinds}")
    return wrong


def all_events(client):
    out, cursor = [], "0-0"
    while True:
        page = client("GET", f"/api/v1/events?after={cursor}&limit=1000").json
        out += page["events"]
        if not page["events"]:
            return out
        cursor = page["next"]


def check_order(fleet, master):
    """A job is overtaken by one of a lower level that was offered for the first time while it waited: for longer than TOLERANCE before, and
    for longer than that afterwards."""
    jobs, events = all_jobs(master), all_events(master.http())
    when = lambda e: datetime.datetime.fromisoformat(e["at"]).timestamp()
    level = lambda id: (("batch", "default", "live").index(jobs[id]["queue"]), ("low", "medium", "high").index(jobs[id]["priority"]))
    ready, offered = {}, {}
    for e in events:
        if e["kind"] in ("job.submitted", "job.offered"):
            (ready if e["kind"] == "job.submitted" else offered).setdefault(e["data"]["job"], when(e))
    waits = [(ready[id], offered[id], level(id)) for id in offered]
    pairs = [(a, b) for a in waits for b in waits if a[2] > b[2] and a[0] + TOLERANCE < b[1] and a[0] + TOLERANCE < a[1]]
    overtaken = [(a, b) for a, b in pairs if b[1] + TOLERANCE < a[1]]
    print(f"# order: {len(pairs)} pairs of jobs waited together, {len(overtaken)} in the wrong order", flush=True)
    if not pairs:
        return ["nothing waited: no order was seen"]
    # A claim that hangs with its database holds what it is about to take, and others pass it by. Without an order it were half of them.
    return [f"{len(overtaken)} of {len(pairs)} jobs were overtaken"] if len(overtaken) > len(pairs) // 10 else []


def main():
    p = argparse.ArgumentParser()
    p.add_argument("backend", choices=["sqlite", "postgres"])
    p.add_argument("--seconds", type=float, default=20)
    p.add_argument("--nodes", type=int, default=16)
    p.add_argument("--masters", type=int, default=0)
    p.add_argument("--seed", type=int, default=random.randrange(10**6))
    p.add_argument("--jobs", type=int, default=0)
    args = p.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # nothing is left running
    count = args.masters or (2 if args.backend == "postgres" else 1)
    print(f"# {args.backend}, {count} masters, {args.nodes} nodes, {args.seconds} s, seed {args.seed}", flush=True)
    folder = scratch("fault")
    postgres = PostgresPair(folder + "/pg") if args.backend == "postgres" else None
    db = postgres.database() if postgres else None
    state = folder + "/shared"
    masters = []
    for i in range(count):
        os.makedirs(f"{folder}/m{i}")
        masters.append(Master(f"{folder}/m{i}", db=db, config=CONFIG, state=state))
        masters[-1].start()
    fleet = Fleet(masters, History(), args.seed)
    rng = random.Random(args.seed)
    total = args.jobs or int(args.seconds * 12)
    ok = False
    try:
        backlog = min(1000, args.nodes * BACKLOG)
        submit_backlog(fleet, backlog)
        nodes = [LightNode(fleet, i) for i in range(args.nodes)]
        submitters = [threading.Thread(target=submitter, args=(fleet, i, total // 2), daemon=True) for i in range(2)]
        for t in nodes + submitters:
            t.start()
        chaos(fleet, args.seconds, rng, postgres)
        for t in submitters:
            t.join(120)
        fleet.calm = True
        admin = masters[0].http()
        def settled():
            for hold in admin("GET", "/api/v1/jobs?state=queued&limit=1000").json["jobs"]:
                if hold.get("hold"):
                    admin("POST", f"/api/v1/jobs/{hold['id']}/resume", {})
            for n in admin("GET", "/api/v1/nodes?limit=1000").json["nodes"]:
                if n["cordoned"]:
                    admin("POST", f"/api/v1/nodes/{n['id']}/uncordon", {})
            left = admin("GET", "/api/v1/jobs?state=queued&limit=1").json["jobs"] + admin("GET", "/api/v1/jobs?state=active&limit=1").json["jobs"]
            return not left
        eventually(settled, 120, 0.5)
        time.sleep(1.5)  # spools empty themselves
        fleet.stopping = True
        for n in nodes:
            n.join(20)
        # What was acknowledged must have been durable: one more kill before the books are read.
        for m in masters:
            m.kill()
        masters[0].start()
        wrong = check(fleet, masters[0]) + check_order(fleet, masters[0]) + contract.of(masters[0].http().document).violations
        if fleet.history.counts["500"]:
            wrong.append(f"{fleet.history.counts['500']} answers of 500: what was it? " + masters[0].errors()[-500:])
        for line in wrong[:20]:
            print("violation: " + line)
        if postgres and not fleet.history.counts["fail-over"]:
            wrong.append("the run was too short for a fail-over")
        ok = not wrong and len(fleet.history.submitted) >= backlog + total // 2 * 2
        print(f"# {len(fleet.history.submitted)} jobs, {dict(fleet.history.counts)}", flush=True)
    finally:
        for m in masters:
            m.kill()
        if postgres:
            postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{'ok' if ok else 'FAIL'} faults-{args.backend}-{count}-masters seed {args.seed}")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
