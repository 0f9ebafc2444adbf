"""Agents in network namespaces of their own, whose cable to the master can be pulled."""
from edge import *
import atexit

# RFC 2544: for tests of networks, routed nowhere. A /30 for each agent.
BASE = f"198.18.{os.getpid() % 256}."
MOST = 8


def lacking():
    """Why there is no such network here; "" when there is."""
    if os.geteuid() != 0:
        return "only root makes network namespaces"
    if not shutil.which("ip") or not shutil.which("nsenter"):
        return "no ip, no nsenter"
    return ""


def ip(*args, check=True):
    done = subprocess.run(["ip", *args], capture_output=True, text=True)
    assert done.returncode == 0 or not check, (args, done.stderr)


class Cable:
    """A namespace and a pair of interfaces between it and us. Removed at exit, whatever happens."""
    count = 0

    def __init__(self):
        number = Cable.count
        Cable.count += 1
        assert number < MOST
        self.name = f"ffrtmp-{os.getpid()}-{number}"
        self.device = f"ffrtmp{os.getpid() % 10 ** 6}{number}"  # an interface has 15 letters
        self.here, self.there = f"{BASE}{4 * number + 1}", f"{BASE}{4 * number + 2}"
        atexit.register(self.remove)
        ip("netns", "add", self.name)
        ip("link", "add", self.device, "type", "veth", "peer", "name", "up0", "netns", self.name)
        ip("address", "add", self.here + "/30", "dev", self.device)
        ip("-n", self.name, "address", "add", self.there + "/30", "dev", "up0")
        ip("-n", self.name, "link", "set", "lo", "up")
        ip("-n", self.name, "link", "set", "up0", "up")
        self.mend()

    def pull(self):
        """Nothing passes, and nobody is told."""
        ip("link", "set", self.device, "down")

    def deafen(self):
        """What the agent says arrives; no answer does."""
        ip("route", "replace", "blackhole", self.there + "/32")

    def worsen(self):
        """Delay, loss, duplicates and disorder in both directions. False: this kernel has no netem."""
        bad = ["root", "netem", "delay", "30ms", "20ms", "loss", "3%", "duplicate", "2%", "reorder", "20%"]
        ends = (["tc", "qdisc", "replace", "dev", self.device], ["tc", "-n", self.name, "qdisc", "replace", "dev", "up0"])
        return all(subprocess.run(end + bad, capture_output=True).returncode == 0 for end in ends)

    def mend(self):
        ip("route", "delete", "blackhole", self.there + "/32", check=False)
        ip("link", "set", self.device, "up")

    def remove(self):
        atexit.unregister(self.remove)
        ip("route", "delete", "blackhole", self.there + "/32", check=False)
        ip("netns", "delete", self.name, check=False)  # its end of the pair goes with it, and so does ours
        ip("link", "delete", self.device, check=False)


class Outpost(Agent):
    """An agent at the far end of a cable."""
    def __init__(self, master, cable, **more):
        super().__init__(master, **more)
        self.cable = cable
        self.masters = [f"https://{cable.here}:{master.port}"]
        # Its network and nothing else of it is apart: its cgroups and folders are ours.
        self.inside = ["nsenter", f"--net=/run/netns/{cable.name}"]

    def node(self):
        address = open(self.state + "/address").read().strip()
        out = subprocess.run([*self.inside, FFRTMP, "node", "--json", "--address", address], capture_output=True, text=True)
        assert out.returncode == 0, out.stderr
        return json.loads(out.stdout)


class Field(Fleet):
    """A master that is reached through cables."""
    def __init__(self, config=QUICK):
        names = ",".join(["localhost", "127.0.0.1"] + [f"{BASE}{4 * i + 1}" for i in range(MOST)])
        super().__init__(config, host="0.0.0.0", args=["--tls-names", names])
        # Ended from outside, we still take our cables with us.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        self.cables = []

    def outpost(self, **more):
        cable = Cable()
        self.cables.append(cable)
        out = Outpost(self.master, cable, **more)
        self.agents.append(out)
        return out

    def close_agents(self):
        super().close_agents()
        for cable in self.cables:
            cable.remove()
        self.cables = []
        Cable.count = 0
