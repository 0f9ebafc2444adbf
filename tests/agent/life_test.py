#!/usr/bin/env python3
"""The life of a job on a node: a real master over TLS, real agents, real FFmpeg. Usage: life_test.py [NAME...]"""
from edge import *
import hashlib

F = None


def fresh(**more):
    agent = F.agent(**more)
    agent.start()
    return agent


def test_a_transcode_from_submit_to_artifact():
    a = fresh()
    id = F.submit(type="transcode", input=in_folder(a, film()), output="small.mp4", params={"height": 60, "preset": "ultrafast"})
    job = F.wait(id, "succeeded")
    data = F.artifact(id, "small.mp4")
    listed = F.master.http()("GET", f"/api/v1/jobs/{id}/artifacts").json["files"]
    assert [f["name"] for f in listed] == ["small.mp4"] and listed[0]["sha256"] == hashlib.sha256(data).hexdigest()
    result = job["result"]
    assert result["outcome"] == "exited" and result["exit_code"] == 0 and result["job"]["verification"]["passed"] is True, result
    assert any(row["limit"] == "pids.max" or row.get("name") == "pids.max" for row in result["receipt"]), result["receipt"]
    # Nothing of it is left on the node.
    eventually(lambda: a.work_folders() == [] and a.node()["outbox"] == 0 and a.node()["jobs"] == [], 10)
    a.close()


def test_text_results_need_no_artifact():
    a = fresh()
    id = F.submit(type="hash", input=in_folder(a, film()))
    job = F.wait(id, "succeeded")
    want = hashlib.sha256(open(film(), "rb").read()).hexdigest()
    assert want in json.dumps(job["result"]["job"]["data"]), job["result"]["job"]
    a.close()


def test_parameters_that_are_refused_fail_once():
    a = fresh()
    id = F.submit(type="transcode", input=in_folder(a, film()), output="x.mp4", params={"crf": 23, "bitrate": "1M"}, max_attempts=5)
    job = F.wait(id, "failed")
    assert "crf and bitrate are two ways" in job["reason"], job
    assert len(F.attempts(id)) == 1 and not a.runs()
    missing = F.submit(type="transcode", input=a.folder + "/nothing.mp4", output="x.mp4", max_attempts=5)
    job = F.wait(missing, "failed")
    assert "nothing.mp4" in job["reason"] and len(F.attempts(missing)) == 1, job
    a.close()


if __name__ == "__main__":
    main(globals())
