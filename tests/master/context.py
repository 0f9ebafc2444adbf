"""What the tests of one running master share: the master, and short words for what they ask of it."""
import itertools

from fleet import *

CONFIG = """
[timers]
offer = "1s"
heartbeat_min = "400ms"
forget_slack = "500ms"
retry_first = "50ms"
retry_max = "400ms"
restart_grace = "1s"
run_slack = "200ms"
[limits]
log_bytes_per_attempt = 100000
requests_per_second = 3000
header_timeout = "3s"
body_timeout = "4s"
[tenants.small]
max_running = 2
[tenants.heavy]
weight = 3
"""


class Context:
    master = None  # the master under test
    backend = "sqlite"
    type = "probe"  # the job type of the running test: what keeps its jobs from the other tests' nodes
    probe = None  # a node that has the type, so that jobs of it are taken

    def __init__(self):
        self.numbers = itertools.count()


the = Context()


def submit(http=None, **job):
    answer = (http or the.master.http())("POST", "/api/v1/jobs", dict({"type": the.type}, **job))
    assert answer.status == 201, answer
    return answer.json["id"] if "id" in answer.json else answer.json["ids"]


def job(id):
    answer = the.master.http()("GET", f"/api/v1/jobs/{id}")
    assert answer.status == 200, answer
    return answer.json


def node(**caps):
    """A node that takes only the jobs of the test that asks: its type is the test's own."""
    return the.master.node(f"edge-{next(the.numbers)}", **dict({"types": [the.type]}, **caps))


def key(role, tenant="default", **more):
    answer = the.master.http()("POST", "/api/v1/keys", dict({"name": role, "role": role, "tenant": tenant}, **more))
    assert answer.status == 201, answer
    return answer.json["key"]


def state_is(id, *states, timeout=30):
    return eventually(lambda: job(id)["state"] in states and job(id), timeout)
