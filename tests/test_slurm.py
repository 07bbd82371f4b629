"""The workflow on a real SLURM: the same bytes as a local run, whatever breaks on the way.

The cluster is private to the tests (tests/private_slurm.py). Each fault ends in the complete, same result or in one clear error.
"""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from conftest import IN_PAPER, REPOSITORY, RESULTS, copy_project, finish, generated, profile_program, small_project, snakemake
from private_slurm import INSTALL, INSTALL_ACCOUNTING, PrivateSlurm, missing_programs, wait_for

pytestmark = pytest.mark.workflow
DATA = str(RESULTS / "prophet_kv_extension_data.csv")
TABLE = str(RESULTS / "prophet_kv_extension_data.parquet")
SHARDS = RESULTS / "shards"
MODELS = ("grok-1", "qwen1.5-moe-a2.7b", "mixtral-8x7b", "olmoe-1b-7b")  # two jobs of two
# What a patient user leaves alone, made quick for four seconds of work.
QUICK = {
    "slurm": ["--slurm-init-seconds-before-status-checks", "1", "--seconds-between-status-checks", "1", "--latency-wait", "10"],
    "generic": ["--seconds-between-status-checks", "1", "--latency-wait", "10"],
}
TWO_GROUPS = ["--group-components", "sweep=2"]
HEADS: list[subprocess.Popen[str]] = []


@pytest.fixture(scope="session")
def slurm(tmp_path_factory):
    if missing := missing_programs():
        pytest.skip(f"SLURM is not installed, {', '.join(missing)} missing; {INSTALL}")
    with PrivateSlurm(tmp_path_factory.mktemp("slurm")) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def expected(tmp_path_factory):
    """The table that the small config makes on this machine alone."""
    folder = small_project(tmp_path_factory.mktemp("local"), MODELS)
    done = snakemake(folder, DATA)
    assert done.returncode == 0, done.stderr
    return (folder / DATA).read_bytes()


@pytest.fixture
def project(tmp_path):
    return small_project(tmp_path, MODELS)


def start(slurm: PrivateSlurm, folder: Path, *options: str, profile: str = "slurm", target: str = DATA) -> subprocess.Popen[str]:
    """Start Snakemake's head on the cluster."""
    groups = TWO_GROUPS if profile == "slurm" else []
    command = [profile_program(profile), target, "--workflow-profile", f"profiles/{profile}", *groups, *QUICK[profile], *options]
    out = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "stdin": subprocess.DEVNULL}
    head = subprocess.Popen(command, cwd=folder, env=slurm.environment, text=True, start_new_session=True, **out)
    HEADS.append(head)
    return head


@pytest.fixture(autouse=True)
def heads():
    """No head outlives its test."""
    yield
    for head in HEADS:
        if head.poll() is None:
            os.killpg(head.pid, signal.SIGKILL)
            head.communicate()
    HEADS.clear()


def test_the_documented_command_gives_the_committed_bytes(slurm, tmp_path):
    copy_project(tmp_path)
    (tmp_path / ".venv-slurm").symlink_to(profile_program("slurm").parent.parent)
    flags = " ".join(QUICK["slurm"])
    # The environment is there already (--old-file); its making is what `make test` itself has shown.
    command = ["make", "--old-file", ".venv-slurm/prophet-environment", "paper", "PROFILE=slurm", f"SNAKEFLAGS={flags}"]
    done = subprocess.run(command, cwd=tmp_path, env=slurm.environment, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (done.stdout + done.stderr).count("has been submitted with SLURM jobid") == 2, "24 small jobs go out as two"
    assert generated(tmp_path) == generated(REPOSITORY)


def test_the_generic_profile_gives_the_same_bytes_through_sbatch(slurm, tmp_path):
    """Of the sweep: all other rules are local ones."""
    copy_project(tmp_path)
    head = start(slurm, tmp_path, "--jobs", "8", profile="generic", target=TABLE)
    said = finish(head, 600)
    assert head.returncode == 0, said
    assert said.count("with external jobid") == len(IN_PAPER)
    assert (tmp_path / TABLE).read_bytes() == (REPOSITORY / TABLE).read_bytes()


@pytest.mark.parametrize("status_command", ["squeue", "sacct"])
def test_status_is_polled_with_accounting_too(accounted, project, expected, status_command):
    head = start(accounted, project, "--slurm-status-command", status_command)
    said = finish(head)
    assert head.returncode == 0, said
    assert (project / DATA).read_bytes() == expected


@pytest.fixture(scope="module")
def accounted(tmp_path_factory):
    if missing := missing_programs(accounting=True):
        pytest.skip(f"SLURM's accounting is not installed, {', '.join(missing)} missing; {INSTALL_ACCOUNTING}")
    with PrivateSlurm(tmp_path_factory.mktemp("accounted"), accounting=True) as cluster:
        yield cluster


def test_a_job_asks_for_what_its_rule_says_and_goes_where_the_user_says(slurm, project):
    cluster = project / "config" / "cluster.yaml"
    text = cluster.read_text(encoding="utf-8").replace("slurm_partition: null", "slurm_partition: main")
    cluster.write_text(text.replace("slurm_extra: null", 'slurm_extra: "--nice=7"'), encoding="utf-8")
    head = start(slurm, project)
    job = slurm.wait_for_job()
    shown = slurm.run("scontrol", "show", "job", job)
    assert "JobName=prophet_" in shown
    assert "Partition=main" in shown
    assert "Nice=7" in shown
    assert "NumCPUs=2" in shown, "two slots"
    assert "MinMemoryNode=2000M" in shown, "of 1000 MiB each"
    assert "logs/slurm/" in shown
    finish(head)
    assert head.returncode == 0


def test_a_cancelled_job_is_tried_again(slurm, project, expected):
    head = start(slurm, project)
    slurm.run("scancel", slurm.wait_for_job())
    said = finish(head)
    assert head.returncode == 0, said
    assert "CANCELLED" in said
    assert (project / DATA).read_bytes() == expected


def test_a_dead_node_is_survived(slurm, project, expected):
    head = start(slurm, project)
    job = slurm.wait_for_job()
    node = slurm.run("squeue", "--noheader", "--format=%N", f"--jobs={job}").strip()
    slurm.kill_node(node)
    try:
        said = finish(head)
        assert head.returncode == 0, said
        assert job in slurm.jobs("NODE_FAIL")
        assert "Trying to restart job" in said
        assert (project / DATA).read_bytes() == expected
    finally:
        slurm.start_node(node)


@pytest.mark.parametrize("profile", ["slurm", "generic"])
def test_a_killed_head_is_taken_up(slurm, project, expected, profile):
    head = start(slurm, project, profile=profile)
    slurm.wait_for_job()
    os.killpg(head.pid, signal.SIGKILL)
    head.communicate()
    outlived = slurm.jobs("RUNNING")
    assert outlived
    slurm.run("scontrol", "suspend", ",".join(outlived))  # so that they are still there when the next head starts
    locked = start(slurm, project, profile=profile)
    said = finish(locked)
    assert locked.returncode != 0
    assert "Directory cannot be locked" in said
    assert snakemake(project, "--unlock").returncode == 0
    # The jobs of the dead head are still there; they are run a second time, to the same bytes.
    again = start(slurm, project, profile=profile)
    said = finish(again)
    assert again.returncode == 0, said
    assert (project / DATA).read_bytes() == expected
    slurm.run("scontrol", "resume", ",".join(outlived))
    slurm.wait_until_empty()
    whole = snakemake(project, "--forcerun", "join_shards", "--", DATA)
    assert whole.returncode == 0, whole.stderr
    assert (project / DATA).read_bytes() == expected


def test_a_second_head_is_refused(slurm, project, expected):
    first = start(slurm, project)
    slurm.wait_for_job()
    second = start(slurm, project)
    said = finish(second)
    assert second.returncode != 0
    assert "Directory cannot be locked" in said
    said = finish(first)
    assert first.returncode == 0, said
    assert (project / DATA).read_bytes() == expected


def test_a_full_disk_is_one_line_and_is_taken_up(slurm, project, expected):
    shards = project / SHARDS
    shards.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(shards)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small tmpfs cannot be mounted here: it takes the rights of root")
    try:
        head = start(slurm, project, "--retries", "0")
        said = finish(head)
        assert head.returncode != 0
        logs = "".join(log.read_text(encoding="utf-8") for log in (project / "logs" / "sweep_model").glob("*.log"))
        assert ".parquet: No space left on device" in logs
        assert not [line for line in logs.splitlines() if "No space left on device" not in line]
        assert "No space left on device" in said, "the head shows the log"
        assert not (project / DATA).exists()
        assert not list(shards.glob(".*"))
    finally:
        subprocess.run(["umount", str(shards)], check=True)
    head = start(slurm, project)
    said = finish(head)
    assert head.returncode == 0, said
    assert (project / DATA).read_bytes() == expected


def test_a_truncated_shard_is_one_clear_error(slurm, project, expected):
    head = start(slurm, project)
    said = finish(head)
    assert head.returncode == 0, said
    shard = project / SHARDS / "grok-1.parquet"
    time.sleep(1.1)  # a changed file is seen by its time
    shard.write_bytes(shard.read_bytes()[:1000])
    head = start(slurm, project, "--retries", "0")
    said = finish(head)
    assert head.returncode != 0
    assert "grok-1.parquet: sha256: " in said
    assert not (project / DATA).exists()
    shard.unlink()
    head = start(slurm, project)
    said = finish(head)
    assert head.returncode == 0, said
    assert (project / DATA).read_bytes() == expected


def test_the_private_cluster_leaves_nothing_behind(tmp_path):
    if missing := missing_programs():
        pytest.skip(f"SLURM is not installed, {', '.join(missing)} missing; {INSTALL}")
    with PrivateSlurm(tmp_path, nodes=1) as cluster:
        cluster.run("sbatch", "--output=/dev/null", "--wrap", "sleep 60")
        cluster.wait_for_job()
        inside = strangers(tmp_path)
        assert len(inside) >= 3
    wait_for(lambda: not strangers(tmp_path), 10, "no process is left")


def strangers(folder: Path) -> list[str]:
    """Command lines of living processes that have the folder in their environment or on their command line."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_text(errors="replace")
            surroundings = words + (process / "environ").read_text(errors="replace")
            if words and str(folder) in surroundings and process.name != str(os.getpid()):
                found.append(words)
    return found
