#!/usr/bin/env python3
"""Agents, recorders and the master are killed, and cables pulled, in random order under load; then the history is checked: no workload was
begun anew because an agent died, every job has ended once, every accepted file has its checksum, nothing is left behind. The seed is
printed. Usage: storm_test.py [--seconds N] [--seed N]"""
from network import *
import argparse, collections, edge, hashlib, random

F = None
# A lease of ten seconds: an agent that is killed is back before, also on a slow machine.
CONFIG = QUICK.replace('"900ms"', '"3s"')
LONGER_THAN_THE_LEASE = 14


class Storm:
    def __init__(self, seed):
        self.chance = random.Random(seed)
        self.jobs = {}       # id: its witness, or None for a film
        self.excused = set()  # jobs that may be begun once more: their recorder was killed, or their node was cut off
        self.cut_off = {}     # agent: when its cable is mended
        self.counts = collections.Counter()
        self.shared = scratch("storm")
        options = ["--allow-exec", "--input-root", self.shared]
        apart = F.outpost if not lacking() else F.agent
        self.agents = [apart(args=options, slots=3).start() for _ in range(3)]
        if not lacking() and not self.agents[0].cable.worsen():
            print("# no packet is delayed or lost: this kernel has no netem", flush=True)
        self.films = [shutil.copy(film(n), self.shared) for n in (1, 2)]

    def submit(self):
        kind = self.chance.random()
        if kind < 0.6:
            witness = f"{self.shared}/w{len(self.jobs)}"
            # What it prints goes into its attempt's folder.
            script = f'me=$(readlink /proc/$$/fd/1); echo started "$me" >>{witness}; sleep {self.chance.uniform(0.1, 4):.2f}; echo ended "$me" >>{witness}'
            id, kept = F.submit(type="exec", params={"command": ["sh", "-c", script]}, max_attempts=50), witness
        else:
            engine = {"engine": "gstreamer"} if kind > 0.85 else {"preset": "ultrafast"}
            id, kept = F.submit(type="transcode", input=self.chance.choice(self.films), output="o.mkv", params=dict(height=60, **engine), max_attempts=50), None
        self.jobs[id] = kept

    def on(self, agent):
        """The jobs that a node has, or has ended and perhaps not told."""
        return {job for job in self.jobs for run in agent.runs() if run["job_id"].startswith(f"a-{job}-")}

    def running(self, agent):
        return [run for run in agent.runs() if run.get("state") == "running" and "identity" in run]

    def kill_agent(self):
        agent = self.chance.choice(self.agents)
        agent.kill()
        agent.start(wait=False)

    def kill_recorder(self):
        agent = self.chance.choice(self.agents)
        runs = self.running(agent)
        if not runs:
            return
        run = self.chance.choice(runs)
        self.excused |= {job for job in self.jobs if run["job_id"].startswith(f"a-{job}-")}
        with contextlib.suppress(OSError, KeyError, ValueError):
            record = json.load(open(f"{agent.jobs_dir}/jobs/{run['job_id']}/record.json"))
            os.kill(record["observer"]["pid"], signal.SIGKILL)

    def kill_master(self):
        # It gives nobody up before it has been back for a while.
        F.master.kill()
        time.sleep(self.chance.uniform(0, 1))
        F.master.start()

    def cut(self):
        agent = self.chance.choice([a for a in self.agents if a not in self.cut_off])
        (agent.cable.pull if self.chance.random() < 0.7 else agent.cable.deafen)()
        self.cut_off[agent] = time.time() + self.chance.choice([0.5, 2, LONGER_THAN_THE_LEASE])

    def mend(self, whatever=False):
        """Others may have taken what it had."""
        for agent, until in list(self.cut_off.items()):
            if whatever or time.time() > until:
                self.excused |= self.on(agent)
                agent.cable.mend()
                del self.cut_off[agent]

    def blow(self, seconds):
        blows = [self.kill_agent] * 4 + [self.kill_recorder, self.kill_master]
        first_cut = time.time() + seconds / 3  # until then there is hardly an excuse
        until = time.time() + seconds
        while time.time() < until:
            if sum(1 for id in list(self.jobs)[-12:] if F.job(id)["state"] in ("queued", "running")) < 9:
                for _ in range(3):
                    self.submit()
            time.sleep(self.chance.uniform(0.1, 0.9))
            self.mend()
            more = not lacking() and time.time() > first_cut and len(self.cut_off) < len(self.agents)
            cuts = [self.cut] * 2 if more else []
            blow = self.chance.choice(blows + cuts)
            self.counts[blow.__name__] += 1
            blow()
        self.mend(whatever=True)

    def check(self):
        for id, witness in self.jobs.items():
            job = F.wait(id, timeout=120)
            attempts = F.attempts(id)
            assert job["state"] == "succeeded", (job, attempts)
            assert [t["state"] for t in attempts].count("succeeded") == 1, attempts
            if witness is None:
                page = F.master.http()("GET", f"/api/v1/jobs/{id}/artifacts").json["files"]
                assert [f["name"] for f in page] == ["o.mkv"] and page[0]["state"] == "complete", page
                assert hashlib.sha256(F.artifact(id, "o.mkv")).hexdigest() == page[0]["sha256"], page
                continue
            begun = [line.split()[1] for line in open(witness) if line.startswith("started")]
            assert all("/work/a-" in place for place in begun), begun
            assert len(begun) == len(set(begun)), f"{id}: an attempt was begun twice: {begun}"
            assert len(begun) == 1 or id in self.excused, f"{id} was begun {len(begun)} times without need: {attempts}"
        for agent in self.agents:
            eventually(lambda: agent.work_folders() == [] and agent.node()["outbox"] == 0 and agent.node()["jobs"] == [], 60)
            assert all(run["state"] == "ended" for run in agent.runs()), agent.runs()


def main():
    global F
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=40)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    asked = parser.parse_args()
    if lacking():
        print(f"# no cables are pulled: {lacking()}")
    F = Field(CONFIG) if not lacking() else Fleet(CONFIG)
    storm = None
    try:
        storm = Storm(asked.seed)
        storm.blow(asked.seconds)
        storm.check()
        print(f"ok storm (seed {asked.seed}, {len(storm.jobs)} jobs, {len(storm.excused)} of them excused, {dict(storm.counts)})", flush=True)
        return 0
    except Exception:
        print(f"FAIL storm (seed {asked.seed}, {dict(storm.counts) if storm else {}})\n{traceback.format_exc()[-5000:]}", flush=True)
        return 1
    finally:
        F.close()
        for folder in [storm.shared] * bool(storm) + [edge._films["folder"]] * ("folder" in edge._films):
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
