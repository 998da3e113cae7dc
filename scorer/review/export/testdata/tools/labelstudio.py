"""Import an export in a Label Studio server, annotate, and export again.

    python labelstudio.py EXPORT RESULT

EXPORT is what batchscore export --to label-studio wrote. A server on SQLite imports it
through its API, which must show each prediction as it was written. The predictions of
every second task become annotations, those of every fourth changed to another label, and
every eighth task is skipped. RESULT gets what the server exports, and expected.json: the
label of each path.
"""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
import xml.etree.ElementTree

TOKEN = "0123456789abcdef0123456789abcdef01234567"


class Server:
    """A server on a port of its own, with its files in a folder."""

    def __init__(self, folder):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.log = open(folder / "server.log", "wb")
        env = dict(os.environ, COLLECT_ANALYTICS="false", LATEST_VERSION_CHECK="false", SENTRY_DSN="", FRONTEND_SENTRY_DSN="",
                   LOCAL_FILES_SERVING_ENABLED="true", LOCAL_FILES_DOCUMENT_ROOT="/")
        self.process = subprocess.Popen(
            [pathlib.Path(sys.executable).parent / "label-studio", "start", "-b", "--data-dir", folder, "-db", folder / "db.sqlite3",
             "-p", str(self.port), "--internal-host", "127.0.0.1", "--username", "a@example.com", "--password", "Passw0rd-x",
             "--user-token", TOKEN, "--enable-legacy-api-token"],
            stdout=self.log, stderr=self.log, env=env, start_new_session=True)

    def wait(self):
        """Wait until the server answers."""
        for _ in range(600):
            if self.process.poll() is not None:
                raise SystemExit("the server ended: see " + self.log.name)
            try:
                return self.call("GET", "/api/version")
            except (urllib.error.URLError, ConnectionError):
                time.sleep(1)
        raise SystemExit("the server does not answer: see " + self.log.name)

    def call(self, method, path, body=None, content="application/json"):
        """Return the body of an answer."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data=body, method=method,
                                         headers={"Authorization": "Token " + TOKEN, "Content-Type": content})
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.read()
        except urllib.error.HTTPError as err:
            raise SystemExit(f"{method} {path}: {err.code} {err.read()[:2000]}") from err

    def upload(self, path, file):
        """Upload a file as a form."""
        mark = uuid.uuid4().hex
        head = f'--{mark}\r\nContent-Disposition: form-data; name="{file.name}"; filename="{file.name}"\r\nContent-Type: application/json\r\n\r\n'
        body = head.encode() + file.read_bytes() + f"\r\n--{mark}--\r\n".encode()
        return self.call("POST", path, body, "multipart/form-data; boundary=" + mark)

    def close(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(30)


def check(server, export, result):
    """Do what the description of this file says."""
    config = (export / "label-config.xml").read_text(encoding="utf-8")
    choices = [c.get("value") for c in xml.etree.ElementTree.fromstring(config).iter("Choice")]
    project = json.loads(server.call("POST", "/api/projects", {"title": "batchscore", "label_config": config}))["id"]
    written = {}
    for file in sorted(export.glob("tasks-*.json")):
        answer = json.loads(server.upload(f"/api/projects/{project}/import?commit_to_project=true", file))
        tasks = json.loads(file.read_text(encoding="utf-8"))
        if answer.get("task_count") != len(tasks):
            raise SystemExit(f"{file.name} has {len(tasks)} tasks, and the server says: {answer}")
        written.update({t["data"]["path"]: t for t in tasks})
    shown = []
    page = 1
    while len(shown) < len(written):
        answer = json.loads(server.call("GET", f"/api/tasks?project={project}&fields=all&page_size=100&page={page}"))
        shown += answer["tasks"]
        page += 1
    expected = {}
    shown.sort(key=lambda t: t["data"]["path"].encode())
    for i, task in enumerate(shown):
        want = written.pop(task["data"]["path"])
        if task["data"] != want["data"]:
            raise SystemExit(f"the data is {task['data']}, want {want['data']}")
        predictions = [{k: p[k] for k in ("model_version", "score", "result")} for p in task["predictions"]]
        if len(predictions) != 1 or predictions != want["predictions"]:
            raise SystemExit(f"the predictions are {predictions}, want {want['predictions']}")
        if want.get("annotations"):
            expected[task["data"]["path"]] = want["annotations"][0]["result"][0]["value"]["choices"]
            continue
        if i % 2 == 0:
            continue
        chosen = predictions[0]["result"][0]["value"]["choices"]
        if i % 4 == 1:
            chosen = [choices[(choices.index(chosen[0]) + 1) % len(choices)]]
        cancelled = i % 8 == 3
        server.call("POST", f"/api/tasks/{task['id']}/annotations", {
            "result": [{**predictions[0]["result"][0], "value": {"choices": chosen}}], "was_cancelled": cancelled})
        if not cancelled:
            expected[task["data"]["path"]] = chosen
    if written:
        raise SystemExit(f"the server lacks {list(written)[:5]}")
    result.mkdir(parents=True)
    for form in ("JSON", "JSON_MIN", "CSV"):
        body = server.call("GET", f"/api/projects/{project}/export?exportType={form}&download_all_tasks=true")
        (result / ("labelstudio-" + form.lower() + (".csv" if form == "CSV" else ".json"))).write_bytes(body)
    (result / "expected.json").write_text(json.dumps(expected, indent=1), encoding="utf-8")
    print(f"Label Studio shows {len(shown)} tasks with their predictions, and {len(expected)} are annotated")


def main():
    export, result = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    # SQLite writes each of hundreds of migrations to the disk: without one it takes minutes less.
    memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        server = Server(pathlib.Path(folder))
        try:
            server.wait()
            check(server, export, result)
        except BaseException:
            sys.stderr.write((pathlib.Path(folder) / "server.log").read_text(errors="replace")[-4000:])
            raise
        finally:
            server.close()


if __name__ == "__main__":
    main()
