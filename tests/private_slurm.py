"""A private SLURM on this machine for tests: its own munge, controller and nodes on loopback, without systemd.

Everything stands in one folder, every daemon is stopped by its pid. Two or more slurmd share the machine as nodes n1, n2, ...
"""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scontrol", "squeue", "srun")
ACCOUNTING_PROGRAMS = ("slurmdbd", "mariadbd", "mariadb-install-db", "mariadb", "sacct", "sacctmgr")
INSTALL = "apt-get install --no-install-recommends slurmctld slurmd slurm-client munge"
INSTALL_ACCOUNTING = "apt-get install --no-install-recommends slurmdbd mariadb-server-core mariadb-client-core"
SYSTEM_PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
POLL_S = 0.1

SLURM_CONF = """\
ClusterName=prophet
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={sockets}/munge
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={sockets}/%n
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=200
SchedulerParameters=sched_interval=1,bf_interval=1,sched_min_interval=0,batch_sched_delay=0
MinJobAge=3600
KillWait=3
SlurmdTimeout=6
SlurmctldTimeout=6
InactiveLimit=0
Waittime=0
UnkillableStepTimeout=15
JobRequeue=0
JobCompType=jobcomp/none
{accounting}
"""
ACCOUNTING_CONF = """\
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=localhost
AccountingStoragePort={database_port}
AccountingStoragePass={sockets}/munge
JobAcctGatherType=jobacct_gather/linux
"""
NO_ACCOUNTING_CONF = "AccountingStorageType=accounting_storage/none\nJobAcctGatherType=jobacct_gather/none\n"
SLURMDBD_CONF = """\
AuthType=auth/munge
AuthInfo=socket={sockets}/munge
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={database_port}
SlurmUser={user}
PidFile={folder}/slurmdbd.pid
LogFile={folder}/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=slurm
StoragePass=prophet
StorageLoc=slurm_acct_db
"""


def missing_programs(*, accounting: bool = False) -> list[str]:
    """Programs that are not installed."""
    wanted = PROGRAMS + (ACCOUNTING_PROGRAMS if accounting else ())
    return [name for name in wanted if shutil.which(name, path=SYSTEM_PATH) is None]


def wait_for(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Poll until the condition is true."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"not within {seconds} s: {what}")
        time.sleep(POLL_S)


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def is_running(pid: int) -> bool:
    """A process that is more than a zombie."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace") != ""
    return False


class PrivateSlurm:
    """The cluster, a context manager; with `accounting`, slurmdbd and a private MariaDB behind sacct."""

    def __init__(self, folder: Path, *, nodes: int = 2, cpus: int = 2, memory_mb: int = 4000, accounting: bool = False) -> None:
        self.folder, self.accounting = folder, accounting
        self.nodes = [f"n{i + 1}" for i in range(nodes)]
        self.cpus, self.memory_mb = cpus, memory_mb
        self.controller_port, self.database_port, *self.node_ports = free_ports(2 + nodes)
        self._started: list[subprocess.Popen[bytes]] = []
        self.sockets = Path(tempfile.mkdtemp(prefix="slurm-"))  # a socket's path must be short

    @property
    def environment(self) -> dict[str, str]:
        """What a SLURM command needs. The wrapper of srun stands first: the jobstep plugin takes SLURM_* away before srun."""
        return os.environ | {"SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": f"{self.folder / 'bin'}:{SYSTEM_PATH}"}

    def run(self, *command: str, check: bool = True) -> str:
        """A command's standard output."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False, timeout=60)
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
        return done.stdout

    def jobs(self, state: str = "PENDING,RUNNING,COMPLETING") -> list[str]:
        """Job ids in a state."""
        return self.run("squeue", "--noheader", "--format=%i", f"--states={state}").split()

    def wait_for_job(self, state: str = "RUNNING", seconds: float = 90) -> str:
        """The first job that reaches a state."""
        wait_for(lambda: self.jobs(state), seconds, f"a job is {state}")
        return self.jobs(state)[0]

    def wait_until_empty(self, seconds: float = 120) -> None:
        """Until no job is left."""
        wait_for(lambda: not self.jobs(), seconds, "no job is left")

    def __enter__(self) -> Self:
        try:
            self._write_files()
            self._start_munge()
            if self.accounting:
                self._start_database()
            self._daemon("slurmctld", "-i")
            wait_for(lambda: "UP" in self.run("scontrol", "ping", check=False), 30, "slurmctld answers")
            for node in self.nodes:
                self.start_node(node)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.run("scancel", f"--user={getpass.getuser()}", check=False)
        with contextlib.suppress(RuntimeError, OSError):
            self.wait_until_empty(15)
        self._stop("slurmctld", *(f"slurmd-{node}" for node in self.nodes))
        self._end_jobs()
        self._stop("slurmdbd")
        self._stop("mariadbd")
        self._stop("munged")
        for daemon in self._started:
            daemon.wait(timeout=15)
        shutil.rmtree(self.sockets, ignore_errors=True)

    def start_node(self, node: str) -> None:
        """Start a node's slurmd and wait until it takes jobs."""
        self._daemon("slurmd", "-N", node)
        self.run("scontrol", "update", f"nodename={node}", "state=resume", check=False)
        ready = ("idle", "mix", "alloc")
        wait_for(lambda: self.run("sinfo", "-h", "-n", node, "-o", "%t").strip() in ready, 40, f"{node} takes jobs")

    def kill_node(self, node: str) -> None:
        """End a node as a power cut does: slurmd, the step daemons and their jobs, with SIGKILL."""
        victims = [self._pid(f"slurmd-{node}")]
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                job_of_node = f"SLURMD_NODENAME={node}" in (process / "environ").read_text(errors="replace").split("\0")
                if job_of_node or self._is_step_daemon(process, node):
                    victims.append(int(process.name))
        for victim in filter(None, victims):
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
        # What a health check does; the controller's own time-out takes half a minute.
        self.run("scontrol", "update", f"nodename={node}", "state=down", "reason=killed")

    def _is_step_daemon(self, process: Path, node: str) -> bool:
        """A slurmstepd that has this node's log open."""
        log = self.folder / f"slurmd-{node}.log"
        is_daemon = (process / "cmdline").read_text(errors="replace").startswith("slurmstepd")
        return is_daemon and any(link.readlink() == log for link in (process / "fd").iterdir())

    def _write_files(self) -> None:
        spools = [self.sockets / node for node in self.nodes]  # of the step daemons, with sockets too
        for folder in (self.folder / "state", self.folder / "bin", *spools):
            folder.mkdir(parents=True, exist_ok=True)
        values = vars(self) | {"user": getpass.getuser(), "host": socket.gethostname().split(".")[0]}
        accounting = (ACCOUNTING_CONF if self.accounting else NO_ACCOUNTING_CONF).format(**values)
        text = SLURM_CONF.format(**(values | {"accounting": accounting}))
        for node, port in zip(self.nodes, self.node_ports, strict=True):
            text += f"NodeName={node} NodeHostname={values['host']} NodeAddr=127.0.0.1 Port={port} CPUs={self.cpus} "
            text += f"SocketsPerBoard=1 CoresPerSocket={self.cpus} ThreadsPerCore=1 RealMemory={self.memory_mb} State=UNKNOWN\n"
        text += "PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE DefaultTime=60 State=UP\n"
        (self.folder / "slurm.conf").write_text(text)
        (self.folder / "cgroup.conf").write_text("CgroupAutomount=no\nConstrainCores=no\nConstrainRAMSpace=no\n")
        (self.folder / "slurmdbd.conf").write_text(SLURMDBD_CONF.format(**values))
        (self.folder / "slurmdbd.conf").chmod(0o600)
        (self.folder / "key").write_bytes(os.urandom(128))
        (self.folder / "key").chmod(0o600)
        srun = f'#!/bin/sh\nSLURM_CONF="{self.folder}/slurm.conf" exec "{shutil.which("srun", path=SYSTEM_PATH)}" "$@"\n'
        (self.folder / "bin" / "srun").write_text(srun)
        (self.folder / "bin" / "srun").chmod(0o755)
        for part in (self.folder, self.sockets):  # munge wants a path that others cannot write to
            part.chmod(0o755)

    def _start_munge(self) -> None:
        self.run(
            "munged", "--force", f"--key-file={self.folder}/key", f"--socket={self.sockets}/munge",
            f"--pid-file={self.folder}/munged.pid", f"--log-file={self.folder}/munged.log", f"--seed-file={self.folder}/seed",
        )  # fmt: skip
        wait_for((self.sockets / "munge").exists, 10, "munged answers")

    def _start_database(self) -> None:
        data, sock = self.folder / "mysql", self.sockets / "mysql"
        user = f"--user={getpass.getuser()}"
        self.run(
            "mariadb-install-db", "--no-defaults", user, f"--datadir={data}", "--auth-root-authentication-method=normal",
            "--skip-test-db",
        )  # fmt: skip
        self._daemon(
            "mariadbd", "--no-defaults", user, f"--datadir={data}", f"--socket={sock}", "--skip-networking",
            f"--pid-file={self.folder}/mariadbd.pid", "--innodb-buffer-pool-size=32M", "--innodb-flush-log-at-trx-commit=0",
        )  # fmt: skip
        client = ("mariadb", "--no-defaults", "-u", "root", "-S", str(sock), "-e")
        wait_for(lambda: "1" in self.run(*client, "select 1", check=False), 30, "mariadbd answers")
        self.run(*client, "create database slurm_acct_db; create user 'slurm'@'localhost' identified by 'prophet'; "
                          "grant all on slurm_acct_db.* to 'slurm'@'localhost'")  # fmt: skip
        self._daemon("slurmdbd", "-D", MYSQL_UNIX_PORT=str(sock))
        wait_for(lambda: "Cluster" in self.run("sacctmgr", "list", "cluster", check=False), 40, "slurmdbd answers")
        for what in (
            "cluster prophet",
            "account tests cluster=prophet",
            f"user {getpass.getuser()} account=tests cluster=prophet",
        ):
            self.run("sacctmgr", "-i", "add", *what.split())

    def _daemon(self, *command: str, **environment: str) -> None:
        """Start a program that stays, detached; slurmctld and slurmd go to the background by themselves."""
        with (self.folder / f"{command[0]}.out").open("ab") as out:
            daemon = subprocess.Popen(
                command, env=self.environment | environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                start_new_session=True, cwd=self.folder,
            )  # fmt: skip
        self._started.append(daemon)

    def _pid(self, name: str) -> int | None:
        """The pid in a pid file, if that program really runs under it."""
        with contextlib.suppress(OSError, ValueError):
            pid = int((self.folder / f"{name}.pid").read_text())
            if name.split("-", maxsplit=1)[0] in Path(f"/proc/{pid}/cmdline").read_text():
                return pid
        return None

    def _stop(self, *names: str) -> None:
        pids = [pid for pid in map(self._pid, names) if pid]
        for kind in (signal.SIGTERM, signal.SIGKILL):
            for pid in filter(is_running, pids):
                os.kill(pid, kind)
            with contextlib.suppress(RuntimeError):
                wait_for(lambda: not any(map(is_running, pids)), 15, f"{names} stop")

    def _end_jobs(self) -> None:
        """Processes of jobs that outlived their daemons: they carry this cluster's configuration in their environment."""
        mark = f"SLURM_CONF={self.folder / 'slurm.conf'}"
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                variables = (process / "environ").read_text(errors="replace").split("\0")
                if mark in variables and any(word.startswith("SLURM_JOB_ID=") for word in variables):
                    os.kill(int(process.name), signal.SIGKILL)
