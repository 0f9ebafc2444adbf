"""What the agent's tests share: a master with agents that are processes, on this host, with state folders of their own."""
import contextlib, json, os, shutil, signal, subprocess, sys, time, traceback, urllib.error, urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../master"))
from fleet import BUILD, Master, eventually, scratch

AGENT, FFRTMP = os.path.join(BUILD, "agent"), os.path.join(BUILD, "ffrtmp")
QUICK = """
[timers]
offer = "3s"
heartbeat_min = "900ms"
forget_slack = "1s"
retry_first = "50ms"
retry_max = "400ms"
restart_grace = "1s"
[limits]
requests_per_second = 3000
"""


class Agent:
    """One agent with its own state folder, recorders' folder and work folder. It may be killed and started again."""
    count = 0

    def __init__(self, master, args=(), slots=2, env=None, key=None, config=None, poll_wait="5s"):
        Agent.count += 1
        self.folder = scratch("edge")
        self.master, self.args, self.slots, self.extra = master, list(args), slots, dict(env or {})
        self.state, self.jobs_dir = self.folder + "/state", self.folder + "/run"
        self.key = self.folder + "/key"
        with open(self.key, "w") as f:
            f.write((key or master.key) + "\n")
        os.chmod(self.key, 0o600)
        self.config, self.poll_wait = config, poll_wait
        self.process = None
        self.log = self.folder + "/log"
        self.masters = [f"https://127.0.0.1:{master.port}"]
        self.inside = []  # what puts a program where the agent is

    def command(self):
        out = [*self.inside, AGENT, "--ca", self.master.ca, "--api-key-file", self.key, "--state-dir", self.state, "--metrics-listen", "127.0.0.1:0",
               "--max-concurrent-jobs", str(self.slots), "--poll-wait", self.poll_wait, "--input-root", self.folder, "--output-root", self.folder]
        for url in self.masters:
            out += ["--master", url]
        if self.config:
            path = self.folder + "/agent.toml"
            open(path, "w").write(self.config)
            out += ["--config", path]
        return out + self.args

    def start(self, fault=None, wait=True):
        env = {**os.environ, "FFRTMP_STATE_DIR": self.jobs_dir, "XDG_CACHE_HOME": "/tmp/ffrtmp-agent-test-cache", **self.extra}
        if fault:
            env["FFRTMP_AGENT_FAULT"] = fault
        # No address of an earlier one.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.state + "/address")
        self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=open(self.log, "ab"), env=env)
        if wait and not fault:
            eventually(lambda: self.process.poll() is not None or os.path.exists(self.state + "/address"), 30)
            assert self.process.poll() is None, self.errors()
        return self

    def errors(self):
        return open(self.log, errors="replace").read()[-3000:]

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
        if self.process:
            self.process.wait()

    def died(self, timeout=30):
        eventually(lambda: self.process.poll() is not None, timeout)
        return self.process.returncode

    def stop(self, timeout=20):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout)
        return self.process.returncode if self.process else None

    def get(self, path):
        address = open(self.state + "/address").read().strip()
        try:
            with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def node(self):
        return json.loads(self.get("/node")[1])

    def ffrtmp(self, *args):
        env = dict(os.environ, FFRTMP_STATE_DIR=self.jobs_dir)
        return subprocess.run([FFRTMP, *args], env=env, capture_output=True, text=True)

    def runs(self):
        out = self.ffrtmp("ps", "--all", "--json")
        return json.loads(out.stdout) if out.returncode == 0 and out.stdout.strip() else []

    def work_folders(self):
        with contextlib.suppress(FileNotFoundError):
            return os.listdir(self.state + "/work")
        return []

    def close(self):
        """Ends the agent and what it left running, by name, and removes its folders."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.stop()
        self.kill()
        if not os.path.isdir(self.folder):
            return
        for name in (os.listdir(self.jobs_dir + "/jobs") if os.path.isdir(self.jobs_dir + "/jobs") else []):
            if not name.startswith("."):
                self.ffrtmp("stop", "--grace", "900ms", name)
        shutil.rmtree(self.folder, ignore_errors=True)


class Fleet:
    """A master and what is asked of it."""
    def __init__(self, config=QUICK, **master):
        self.folder = scratch("fleet")
        self.master = Master(self.folder, config=config, **master).start()
        self.agents = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def agent(self, *args, **more):
        out = Agent(self.master, *args, **more)
        self.agents.append(out)
        return out

    def close_agents(self):
        for agent in self.agents:
            agent.close()
        self.agents = []

    def close(self):
        self.close_agents()
        self.master.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def submit(self, **job):
        answer = self.master.http()("POST", "/api/v1/jobs", job)
        assert answer.status == 201, answer
        return answer.json["id"]

    def job(self, id):
        answer = self.master.http()("GET", f"/api/v1/jobs/{id}")
        assert answer.status == 200, answer
        return answer.json

    def attempts(self, id):
        return self.master.http()("GET", f"/api/v1/jobs/{id}/attempts").json["attempts"]

    def wait(self, id, *states, timeout=60):
        states = states or ("succeeded", "failed", "cancelled")
        try:
            return eventually(lambda: self.job(id)["state"] in states and self.job(id), timeout)
        except AssertionError:
            tail = "\n".join(a.errors() for a in self.agents)
            raise AssertionError(f"job {id} is {self.job(id)['state']}, not {states}; agents say:\n{tail}")

    def artifact(self, id, name):
        answer = self.master.http()("GET", f"/api/v1/jobs/{id}/artifacts/{name}")
        assert answer.status == 200, answer
        return answer.raw

    def logs(self, id):
        answer = self.master.http()("GET", f"/api/v1/jobs/{id}/logs")
        assert answer.status == 200, answer
        return answer.raw.decode()


_films = {}


def film(seconds=2, size="160x120", rate=25):
    """A short film that is made once."""
    key = (seconds, size, rate)
    if key not in _films:
        folder = _films.setdefault("folder", scratch("films"))
        path = f"{folder}/{seconds}-{size}-{rate}.mp4"
        subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", f"testsrc2=s={size}:r={rate}:d={seconds}", "-f", "lavfi", "-i",
                        f"sine=d={seconds}", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac", path], check=True)
        _films[key] = path
    return _films[key]


def in_folder(agent, path):
    """The film inside the agent's input root."""
    to = f"{agent.folder}/{os.path.basename(path)}"
    if not os.path.exists(to):
        shutil.copy(path, to)
    return to


def lines_of(path):
    """What a job has left in its witness, word by word."""
    return open(path).read().split() if os.path.exists(path) else []


def run_tests(tests, names, fleet):
    """Each test is a function; prints ok NAME or FAIL NAME. No agent of one test is there in the next."""
    failed = 0
    for test in tests:
        if names and not any(name in test.__name__ for name in names):
            continue
        began = time.time()
        try:
            test()
            print(f"ok {test.__name__[5:].replace('_', '-')} ({time.time() - began:.1f} s)", flush=True)
        except Exception:
            failed += 1
            print(f"FAIL {test.__name__[5:].replace('_', '-')}\n{traceback.format_exc()[-5000:]}", flush=True)
        fleet.close_agents()
    if "folder" in _films:
        shutil.rmtree(_films["folder"], ignore_errors=True)
    return failed


def main(module, config=QUICK, kind=Fleet):
    """Runs the tests of a file (its globals), all with one fleet: the file's F."""
    with kind(config) as fleet:
        module["F"] = fleet
        failed = run_tests([v for k, v in list(module.items()) if k.startswith("test_")], sys.argv[1:], fleet)
    sys.exit(1 if failed else 0)
