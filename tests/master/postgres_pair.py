"""Two PostgreSQL servers: one takes writes, the other follows it, and no commit is acknowledged before both have it."""
import os, signal

from fleet import *


class PostgresPair:
    def __init__(self, folder):
        self.first = Postgres(folder + "-a")
        self.first.ask("ALTER SYSTEM SET wal_keep_size = '2GB'")  # pg_rewind looks back to the last checkpoint of both
        self.first.ask("SELECT pg_reload_conf()")
        self.second = Postgres(folder + "-b", follows=self.first)
        self.hosts = f"127.0.0.1:{self.first.port},127.0.0.1:{self.second.port}"
        self.synchronous()

    def synchronous(self):
        """Only now: a server that waits for a follower that it does not have answers nobody."""
        self.first.ask("ALTER SYSTEM SET synchronous_standby_names = '*'")
        self.first.ask("SELECT pg_reload_conf()")
        self.in_step()

    def in_step(self):
        eventually(lambda: self.first.ask("SELECT sync_state FROM pg_stat_replication") == "sync", 60)

    def database(self):
        return f"postgres://ffrtmp@{self.hosts}/" + self.first.database().rsplit("/", 1)[1]

    def kill_first(self):
        os.kill(self.first.leader(), signal.SIGSTOP)  # it forks nobody while its children are counted
        doomed = self.first.processes()
        for pid in doomed:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        eventually(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in doomed))

    def promote(self):
        self.first, self.second = self.second, self.first
        self.first.run([self.first.bin + "/pg_ctl", "-D", self.first.data, "-w", "-t", "60", "promote"])

    def rejoin(self):
        """The old one comes back as the follower, without what only it knew."""
        old = self.second
        self.first.ask("CHECKPOINT")  # until the first one after its promotion, pg_rewind takes it for what it was before
        old.run([old.bin + "/pg_rewind", "-D", old.data, "--source-server", self.first.url("postgres"), "-R", "--no-sync"])
        old.start()
        self.synchronous()

    def stop(self):
        for server in (self.second, self.first):
            if os.path.exists(server.data + "/postmaster.pid") and os.path.exists(f"/proc/{server.leader()}"):
                server.stop()
