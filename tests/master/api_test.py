#!/usr/bin/env python3
"""Black-box tests of one running master, over real HTTPS; the predecessor's defects have their number in the name. Every answer is held
to the OpenAPI document that the master serves. Usage: api_test.py sqlite|postgres [PART-OF-A-NAME...]"""
import os, shutil, sys, traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import contract
import http_test, jobs_test, scheduling_test, service_test
from context import *

# The last one looks back at what the others saw.
MODULES = (jobs_test, scheduling_test, http_test, service_test)


def every_operation_answered_as_documented():
    kept = contract.of(the.master.http().document)
    kept.check_itself()
    good = {name for name, status in kept.seen if status < 300}
    names = {operation["operationId"] for path in kept.document["paths"].values() for operation in path.values()}
    print(f"# contract: {len(names)} operations, {len(kept.seen)} pairs of operation and status seen", flush=True)
    assert names - good == set(), f"never answered with success: {sorted(names - good)}"


def run(name, test):
    # A type of its own keeps each test's jobs from the other tests' nodes.
    the.type = name[:30] + f"-{next(the.numbers)}"
    the.master.http(the.probe.token)("PUT", f"/api/v1/nodes/{the.probe.id}", {"capabilities": {"types": [the.type]}})
    try:
        test()
        contract.assert_kept()
        print(f"ok {the.backend} {name}", flush=True)
        return True
    except Exception:
        print(f"FAIL {the.backend} {name}\n{traceback.format_exc()}", flush=True)
        if the.master.process.poll() is not None:
            print("the master is gone: " + the.master.errors(), flush=True)
            the.master.start()
        return False


def main():
    the.backend, only = sys.argv[1] if len(sys.argv) > 1 else "sqlite", sys.argv[2:]
    folder = scratch("api")
    postgres = Postgres(folder + "/pg") if the.backend == "postgres" else None
    the.master = Master(folder, db=postgres.database() if postgres else None, config=CONFIG).start()
    the.probe = node()
    tests = [(n[5:], t) for module in MODULES for n, t in vars(module).items() if n.startswith("test_")]
    results = []
    try:
        results += [run(name, test) for name, test in tests if not only or any(o in name for o in only)]
        if not only:
            results.append(run("every_operation_answered_as_documented", every_operation_answered_as_documented))
    finally:
        the.master.stop()
        if postgres:
            postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"# {results.count(True)} passed, {results.count(False)} failed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
