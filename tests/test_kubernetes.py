"""The workflow on Kubernetes and S3, as far as that goes without a cluster: the same bytes as a local run.

The bucket is moto's S3. The API server is a stand-in that runs each job's command as a process in an empty folder, so that the
executor, the archive of the sources and the storage plugin are the real ones; only images and nodes are not.
"""

import base64
import contextlib
import http.client
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from conftest import EXPLORER, REPOSITORY, RESULTS, SHOWN, finish, generated, known_files, profile_program, small_project

pytestmark = pytest.mark.workflow
VENV = REPOSITORY / ".venv-kubernetes"
PROFILE = ["--workflow-profile", "profiles/kubernetes", "--seconds-between-status-checks", "1"]
DATA = [str(RESULTS / f"prophet_kv_extension_data.{kind}") for kind in ("parquet", "csv")]
PLACES = ("config/", "docs/", "evaluation/", "explorer/", "paper/", "paper_tables/", "scripts/", "src/", "workflow/", "README.md")
INPUTS = ("config/", "scripts/", "src/", "workflow/", "paper/", "explorer/", "requirements.lock")
CREDENTIALS = {"SNAKEMAKE_STORAGE_S3_ACCESS_KEY": "an-access-key", "SNAKEMAKE_STORAGE_S3_SECRET_KEY": "a-secret-key"}


@pytest.fixture(scope="session")
def program() -> Path:
    """Snakemake in the profile's environment."""
    return profile_program("kubernetes")


@pytest.fixture(scope="session")
def s3(program, tmp_path_factory):
    """The port of an S3 that forgets everything when it ends."""
    places = [program.parent, Path(sys.executable).parent, os.environ["PATH"]]
    server = shutil.which("moto_server", path=os.pathsep.join(map(str, places)))
    if server is None:
        pytest.skip(f"no moto_server; {VENV.name}/bin/python -m pip install 'moto[s3]' flask flask-cors")
    log = tmp_path_factory.mktemp("s3") / "log"
    with log.open("wb") as out:
        process = subprocess.Popen([server, "-H", "127.0.0.1", "-p", "0"], stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + 60
        while not (port := re.search(r"http://127\.0\.0\.1:(\d+)", log.read_text(encoding="utf-8"))):
            ended = process.poll() is not None or time.monotonic() > deadline
            assert not ended, log.read_text(encoding="utf-8")
            time.sleep(0.1)
        yield int(port[1])
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def bucket(s3, tmp_path):
    """An empty bucket's name."""
    name = f"prophet-{tmp_path.name.replace('_', '-')}"[:63].strip("-")
    put(s3, name)
    return name


def put(port: int, path: str, content: bytes = b"") -> None:
    """Make a bucket, or a file in it."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request("PUT", f"/{path}", body=content)
        answer = connection.getresponse()
        assert answer.status == http.client.OK, answer.read()


@pytest.fixture
def project(tmp_path):
    """A clone with a small config."""
    folder = small_project(tmp_path / "project")
    for command in (["init", "--quiet"], ["add", "--all"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


@pytest.fixture
def filled(project, s3, bucket):
    """The project, and in the bucket what the profile's comment says must be there."""
    for name in known_files():
        if name.startswith(INPUTS):
            put(s3, f"{bucket}/run/{name}", (project / name).read_bytes())
    return project


@pytest.fixture(scope="session")
def expected(small_built):
    """What the small config gives on this machine alone."""
    return generated(small_built)


def environment(s3: int, **more: str) -> dict[str, str]:
    """This process's, with an S3 and without what would lead elsewhere."""
    mine = {name: value for name, value in os.environ.items() if not re.match(r"(?i)aws_|kube|.*_proxy$|snakemake", name)}
    return mine | CREDENTIALS | {"SNAKEMAKE_STORAGE_S3_ENDPOINT_URL": f"http://127.0.0.1:{s3}"} | more


def start(program: Path, folder: Path, bucket: str, env: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    command = [program, "--default-storage-prefix", f"s3://{bucket}/run", *arguments]
    out = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "stdin": subprocess.DEVNULL}
    return subprocess.Popen(command, cwd=folder, env=env, text=True, start_new_session=True, **out)


def results(folder: Path, bucket: str) -> dict[str, bytes]:
    """The local copies of the results, where the profile says that they are."""
    return generated(folder / ".snakemake" / "storage" / "s3" / bucket / "run")


def test_the_sweep_is_planned_for_the_cluster(program, s3, bucket, filled):
    head = start(program, filled, bucket, environment(s3), *PROFILE, "--dry-run", "--printshellcmds")
    said = finish(head)
    assert head.returncode == 0, said
    assert dict(re.findall(r"^(sweep_model|join_shards|all) +(\d+)$", said, re.MULTILINE)) == {
        "sweep_model": "2", "join_shards": "1", "all": "1",
    }  # fmt: skip
    # Local rules are never in a group; what is in one goes to the cluster.
    group = re.search(r"Group job sweep .*\n\n((?:(?: {4}|Shell command: ).*\n|\n(?= {4}))+)", said)
    assert set(re.findall(r"Sweeping (\S+)", group[1])) == {"mixtral-8x7b", "qwen1.5-moe-a2.7b"}
    # No job of any rule reads or writes a file but through the bucket; the committed page serves where npm does not answer.
    commands = re.findall(r"^Shell command: (.*)$", said, re.MULTILINE)
    assert len(commands) > 80
    words = {
        word.strip('"') for command in commands for part in shlex.split(command) for word in re.split(r"[\s,:\[\]{}]+", part)
    }
    assert {word for word in words if word.startswith(PLACES)} == {EXPLORER}


def test_inputs_that_are_not_in_the_bucket_are_named(program, s3, bucket, project):
    head = start(program, project, bucket, environment(s3), *PROFILE, "--dry-run")
    said = finish(head)
    assert head.returncode == 1
    assert "MissingInputException" in said
    assert f"s3://{bucket}/run/scripts/sweep_model.py" in said


def test_every_path_survives_the_storage(program, s3, bucket, filled, expected):
    local = ["--cores", "2", "--default-storage-provider", "s3", "--keep-storage-local-copies", *DATA]
    head = start(program, filled, bucket, environment(s3), *local)
    said = finish(head)
    assert head.returncode == 0, said
    assert results(filled, bucket) == {name: expected[name] for name in DATA if name in expected}
    assert not (filled / RESULTS).exists(), "outputs go to the bucket"


class StandIn(ThreadingHTTPServer):
    """An API server that knows what the executor asks for. A pod is a process with the environment of a container."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.folder = folder
        self.instead: list[list[str]] = []  # what the first jobs run in place of their own commands
        self.secrets: dict[str, dict[str, str]] = {}
        self.jobs: dict[str, dict] = {}
        self.pods: dict[str, subprocess.Popen[bytes]] = {}
        self.checked = threading.Event()  # the head has asked how its first job is doing, and been told all
        (folder / "bin").mkdir(parents=True)
        (folder / "bin" / "pip").symlink_to(shutil.which("true"))  # as in the image
        cluster = {"name": "c", "cluster": {"server": f"http://127.0.0.1:{self.server_port}"}}
        context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
        config = {"clusters": [cluster], "users": [{"name": "u", "user": {}}], "contexts": [context], "current-context": "c"}
        (folder / "config").write_text(json.dumps({"apiVersion": "v1", "kind": "Config"} | config), encoding="utf-8")

    def run(self, job: dict) -> None:
        name, container = job["metadata"]["name"], job["spec"]["template"]["spec"]["containers"][0]
        self.jobs[name] = job
        given = {"PATH": f"{self.folder / 'bin'}:{VENV / 'bin'}:{os.defpath}", "HOME": str(self.folder)}
        for variable in container["env"]:
            source = variable["valueFrom"]["secretKeyRef"]
            given[variable["name"]] = self.secrets[source["name"]][source["key"]]
        (self.folder / name).mkdir()
        command = self.instead.pop(0) if self.instead else [*container["command"], *container["args"]]
        with (self.folder / f"{name}.log").open("wb") as log:
            self.pods[name] = subprocess.Popen(
                command,
                cwd=self.folder / name,
                env=given,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def end(self, name: str) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pods[name].pid, signal.SIGKILL)
        self.pods[name].wait()

    def logs(self) -> str:
        return "\n".join(log.read_text(encoding="utf-8") for log in self.folder.glob("*.log"))


class Answers(BaseHTTPRequestHandler):
    server: StandIn

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.endswith("/secrets"):
            self.server.secrets[body["metadata"]["name"]] = {
                key: base64.b64decode(value).decode() for key, value in body["data"].items()
            }
        else:
            self.server.run(body)
        self.answer(body, 201)

    def do_GET(self):
        url = urlsplit(self.path)
        if url.path.endswith("/status"):
            status = self.server.pods[url.path.split("/")[-2]].poll()
            self.answer({"status": {} if status is None else {"failed" if status else "succeeded": 1}})
        elif url.path.endswith("/log"):  # of the container before the one that ran: there was none
            self.answer({"kind": "Status", "status": "Failure", "reason": "BadRequest"}, 400)
        else:
            name = parse_qs(url.query)["labelSelector"][0].removeprefix("job-name=")
            status = self.server.pods[name].poll()
            state = {"running": {}} if status is None else {"terminated": {"exitCode": status}}
            container = {"name": "snakemake", "image": "", "imageID": "", "ready": False, "restartCount": 0, "state": state}
            self.answer({"items": [{"metadata": {"name": name}, "status": {"containerStatuses": [container]}}]})
            self.server.checked.set()

    def do_DELETE(self):
        kind, name = urlsplit(self.path).path.split("/")[-2:]
        if kind == "secrets":
            del self.server.secrets[name]
        else:
            self.server.end(name)
        self.answer({"kind": "Status", "status": "Success"})

    def answer(self, body: dict, code: int = 200) -> None:
        content = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def cluster(tmp_path):
    with StandIn(tmp_path / "cluster") as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            for name in server.pods:
                server.end(name)
            server.shutdown()
            thread.join()


def test_pods_give_the_same_bytes(program, s3, bucket, filled, expected, cluster):
    env = environment(s3, KUBECONFIG=str(cluster.folder / "config"))
    head = start(program, filled, bucket, env, *PROFILE, *SHOWN)  # five seconds a job, most of them for the storage
    said = finish(head, 600)
    assert head.returncode == 0, said + cluster.logs()
    there = results(filled, bucket)
    assert set(SHOWN) <= set(there)
    assert there == {name: expected[name] for name in there}
    [(name, job)] = cluster.jobs.items()  # two small jobs go out as one
    assert (cluster.folder / name / "src" / "prophet_memory").is_dir(), "what git tracks has come along"
    container = job["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] in (filled / "profiles/kubernetes/config.yaml").read_text(encoding="utf-8")
    assert container["resources"]["requests"].items() >= {"cpu": "1900m", "memory": "2000M"}.items()
    assert not any(value in json.dumps(cluster.jobs) + said for value in CREDENTIALS.values())
    assert cluster.secrets == {}, "removed at the end"
    again = start(program, filled, bucket, env, *PROFILE, *SHOWN)
    assert "Nothing to be done" in finish(again)


def test_a_run_that_a_pod_ends_is_taken_up(program, s3, bucket, filled, expected, cluster):
    """Plugin 0.5.1 does not try again (profiles/kubernetes/config.yaml); a later one that does may end well at once."""
    cluster.instead = [["false"]]
    env = environment(s3, KUBECONFIG=str(cluster.folder / "config"))
    first = start(program, filled, bucket, env, *PROFILE, "--group-components", "sweep=1", "--", *DATA)
    said = finish(first)
    assert first.returncode == 0 or "At least one job did not complete successfully" in said
    second = start(program, filled, bucket, env, *PROFILE, *DATA)
    said = finish(second)
    assert second.returncode == 0, said + cluster.logs()
    assert results(filled, bucket) == {name: expected[name] for name in DATA if name in expected}


def test_an_interrupted_run_leaves_nothing_on_the_cluster(program, s3, bucket, filled, cluster):
    """Interrupted between two checks: Snakemake's interface for executors 9.4 forgets the jobs that it is just asking after."""
    cluster.instead = [["sleep", "600"]]
    env = environment(s3, KUBECONFIG=str(cluster.folder / "config"))
    head = start(program, filled, bucket, env, *PROFILE, "--seconds-between-status-checks", "6", *DATA)
    assert cluster.checked.wait(60)
    time.sleep(2)  # a third of the time until the next check
    head.send_signal(signal.SIGINT)
    said = finish(head)
    assert head.returncode == 1, said
    assert len(cluster.pods) == 1
    assert all(pod.poll() is not None for pod in cluster.pods.values())
    assert cluster.secrets == {}
