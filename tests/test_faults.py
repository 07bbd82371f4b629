"""After any fault the next run completes or fails loudly, and what no job wrote is never taken for a result."""

import hashlib
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import polars as pl
import pytest
from conftest import GENERATED, REPOSITORY, RESULTS, committed, known_files, snakemake

from prophet_memory.edge.command import ConfigurationError
from prophet_paper.checksums import differences, read_sums

SUMS = "SHA256SUMS"
LIMIT_BYTES = 2 * 10**6
VERIFY = [sys.executable, str(REPOSITORY / "scripts/verify_outputs.py"), "--sums", f"evaluation/{SUMS}"]
SHARD = RESULTS / "shards/mixtral-8x7b.parquet"
BUILD = runpy.run_path(str(REPOSITORY / "scripts/build_environment.py"), run_name="imported")


def verified(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*VERIFY, *more], cwd=folder, capture_output=True, text=True, check=False)


def edit(file: Path, content: bytes, *, keep_time: bool) -> None:
    """Change a file by hand, as an editor or as a tool that keeps the time of change."""
    times = file.stat()
    file.write_bytes(content)
    if keep_time:
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_every_output_is_a_target_of_all(own: Path):
    entry = own / "Snakefile"  # a rule without a message is shown with its inputs
    entry.write_text(re.sub(r"    message:\n.*\n", "", entry.read_text(encoding="utf-8")), encoding="utf-8")
    done = snakemake(own, "--dry-run", "--forceall")
    assert done.returncode == 0, done.stderr
    inputs = re.search(r"^(?:local)?rule all:\n +input: (.*)$", done.stdout + done.stderr, re.MULTILINE)
    assert inputs
    found = (path for top in GENERATED for path in (own / top, *(own / top).rglob("*")))
    written = {str(path.relative_to(own)) for path in found if path.is_file()}
    assert written == set(inputs[1].split(", "))


def test_missing_results_are_written_again(own: Path):
    """Each stands between others that are there and newer than all before it."""
    missing = ["prophet_kv_extension_data.csv", "claims.csv", "mean_extension_by_model.csv", "shards/mixtral-8x7b.json"]
    before = {name: (own / RESULTS / name).read_bytes() for name in missing}
    for name in missing:
        (own / RESULTS / name).unlink()
    done = snakemake(own)
    assert done.returncode == 0, done.stderr
    assert before == {name: (own / RESULTS / name).read_bytes() for name in missing}


def test_a_killed_join_is_taken_up_and_what_was_made_before_is_not_taken_for_it(own: Path):
    """The shards are those of new settings, the join was killed, everything downstream is newer than the shards."""
    old = Path(shutil.copytree(own / "evaluation", own.parent / "old", ignore=shutil.ignore_patterns("shards")))
    engines = own / "config/engines.yaml"
    engines.write_text(
        engines.read_text(encoding="utf-8").replace("usable_fraction: 1.0", "usable_fraction: 0.9"), encoding="utf-8"
    )
    assert snakemake(own, "sweep").returncode == 0
    for name in ("prophet_kv_extension_data.parquet", "prophet_kv_extension_data.csv"):
        (own / RESULTS / name).unlink(missing_ok=True)
    for path in [*(own / "evaluation").rglob("*"), *(own / "paper_tables").rglob("*")]:
        os.utime(path)
    names = ("mean_extension_by_model.csv", "smallest_gpu_counts.csv", "kv_extension_at_reference.csv")
    asked = [str(RESULTS / name) for name in ("prophet_kv_extension_data.parquet", *names)]
    assert snakemake(own, *asked).returncode == 0
    data = pl.read_parquet(own / RESULTS / "prophet_kv_extension_data.parquet")
    assert (data["usable_bytes"] <= 0.9 * data["gpu_memory_bytes"]).all()
    assert all(
        (own / RESULTS / name).read_bytes() != (old / RESULTS.relative_to("evaluation") / name).read_bytes() for name in names
    )
    assert verified(own).returncode == 0
    # Old outputs put back together with their checksums, as git does, under a config that has moved on: they are made again.
    new = {name: (own / RESULTS / name).read_bytes() for name in names}
    shutil.copytree(old, own / "evaluation", dirs_exist_ok=True)
    assert verified(own).returncode == 0
    assert snakemake(own, *asked).returncode == 0
    assert new == {name: (own / RESULTS / name).read_bytes() for name in names}


def test_a_checkout_in_which_all_files_are_equally_old_is_made_again(own: Path):
    """A ZIP, a tarball, an image: results are no older than what they are made from, and no job of this place wrote them."""
    shutil.rmtree(own / ".snakemake")
    before = {path: path.read_bytes() for path in (own / RESULTS).glob("*.csv")}
    for path in own.rglob("*"):
        os.utime(path, (10**9, 10**9))
    done = snakemake(own, *(str(path.relative_to(own)) for path in before))
    assert done.returncode == 0, done.stderr
    assert before == {path: path.read_bytes() for path in before}
    assert len(list((own / ".snakemake/receipts").rglob("*.sha256"))) > len(before) > 15
    assert all(path.stat().st_mtime > 10**9 for path in before)


def test_a_truncated_shard_fails_until_it_is_gone_and_then_completes(own: Path):
    expected = (own / RESULTS / "prophet_kv_extension_data.parquet").read_bytes()
    (own / SHARD).write_bytes((own / SHARD).read_bytes()[:-100])
    for _ in range(2):
        done = snakemake(own)
        assert done.returncode != 0
        assert f"{SHARD}: sha256: " in done.stdout + done.stderr
    (own / SHARD).unlink()
    assert snakemake(own, str(RESULTS / "prophet_kv_extension_data.parquet")).returncode == 0
    assert (own / RESULTS / "prophet_kv_extension_data.parquet").read_bytes() == expected


def test_edits_by_hand_are_named_and_never_enter_the_checksums(own: Path):
    figure = next((own / "evaluation/figures").rglob("figure3*.png"))
    table, claims = own / "paper_tables/table_kv_extension.tex", own / RESULTS / "claims.csv"
    before = {file: file.read_bytes() for file in (figure, table, claims)}
    assert verified(own).returncode == 0
    edit(figure, before[figure][:1000], keep_time=True)
    edit(table, before[table] + b"% a line\n", keep_time=True)
    edit(claims, before[claims].replace(b"not_reproduced", b"reproduced", 1), keep_time=False)
    done = verified(own)
    assert done.returncode == 1
    named = [line.partition(": sha256: ")[0] for line in done.stderr.splitlines()]
    assert named[:-1] == sorted(str(file.relative_to(own)) for file in (figure, table, claims))
    assert named[-1] == "3 outputs are not what the workflow wrote; make paper FORCE=1 writes all of them again"
    run = snakemake(own)
    assert run.returncode != 0
    assert f"{claims.relative_to(own)}: sha256: not what its job wrote" in run.stdout + run.stderr, "nothing is made of an edit"
    sums = {str(name): digest for name, digest in read_sums(own / "evaluation" / SUMS).items()}
    assert all(sums[str(file.relative_to(own))] == hashlib.sha256(content).hexdigest() for file, content in before.items())
    assert snakemake(own, "--forceall", *(str(file.relative_to(own)) for file in before)).returncode == 0
    assert verified(own).returncode == 0
    assert before == {file: file.read_bytes() for file in before}


def test_an_edited_leaf_never_enters_the_checksums(own: Path):
    """Nothing reads a picture but the job that makes the list."""
    figure = next((own / "evaluation/figures").rglob("figure3*.png"))
    edit(figure, figure.read_bytes()[:1000], keep_time=False)
    done = snakemake(own)
    assert done.returncode != 0
    assert f"{figure.relative_to(own)}: sha256: " in done.stdout + done.stderr
    assert not (own / "evaluation" / SUMS).exists()


def test_a_fresh_clone_is_checked_by_what_is_committed(own: Path):
    shutil.rmtree(own / ".snakemake")
    assert verified(own).returncode == 0
    edit(own / "paper_tables/numbers.tex", b"", keep_time=True)
    done = verified(own)
    assert (done.returncode, done.stderr.count("\n")) == (1, 2)
    assert done.stderr.startswith("paper_tables/numbers.tex: sha256: ")
    (own / "paper_tables/numbers.tex").unlink()
    assert verified(own).returncode == 0, "the next run writes it"
    assert "paper_tables/numbers.tex: file: missing" in verified(own, "--whole").stderr


def test_an_edited_list_of_checksums_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """After a run the jobs' receipts tell it from an edited output."""
    monkeypatch.chdir(tmp_path)
    file, sums, receipts = Path("evaluation/a.csv"), Path("evaluation/SHA256SUMS"), Path("receipts")
    receipt = receipts / f"{file}.sha256"
    for folder in (file.parent, receipt.parent):
        folder.mkdir(parents=True)
    file.write_bytes(b"1\n")
    digest = hashlib.sha256(b"1\n").hexdigest()
    receipt.write_text(digest, encoding="utf-8")
    sums.write_text(f"{digest}  {file}\n", encoding="utf-8")
    assert list(differences(sums, receipts, whole=True)) == []
    other = f"{'0' if digest[0] != '0' else '1'}{digest[1:]}"
    sums.write_text(f"{other}  {file}\n", encoding="utf-8")
    assert list(differences(sums, receipts, whole=False)) == []  # as after a pull: the next run makes it
    (line,) = differences(sums, receipts, whole=True)
    assert line == f"{sums}: {file}: {other[:12]}...; allowed: {digest[:12]}..., as the workflow wrote it"
    sums.write_text(f"z{digest[1:]}  {file}\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"SHA256SUMS: line 1: z.*; allowed: a SHA-256, two spaces and a file"):
        list(differences(sums, receipts, whole=True))


def test_everything_committed_has_a_checksum_that_holds():
    sums = {str(file.relative_to(REPOSITORY)): read_sums(file) for file in (REPOSITORY / "evaluation").rglob(SUMS)}
    covered = {str(name) for digests in sums.values() for name in digests}
    assert covered | set(sums) == {name for name in known_files() if name.startswith(GENERATED)}
    for file in sums:
        done = subprocess.run(
            ["sha256sum", "--check", "--quiet", file], cwd=REPOSITORY, check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout
    assert set(map(str, sums[f"evaluation/{SUMS}"])) | {f"evaluation/{SUMS}"} == set(committed())


def test_no_tracked_file_is_large():
    assert {name: size for name in known_files() if (size := (REPOSITORY / name).stat().st_size) > LIMIT_BYTES} == {}


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Make with the environment of these tests, taken for whole."""
    (folder / ".venv").unlink(missing_ok=True)
    (folder / ".venv").symlink_to(sys.prefix)
    command = ["make", "--old-file", ".venv/prophet-environment", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_lock_is_met_with_one_line_and_unlocked_by_make(own: Path):
    locks = own / ".snakemake/locks"
    locks.mkdir(exist_ok=True)
    (locks / "0.output.lock").write_text("evaluation/SHA256SUMS\n", encoding="utf-8")
    done = make(own, "paper")
    assert done.returncode != 0
    (line,) = [line for line in done.stderr.splitlines() if not re.match(r"make(\[\d+\])?:", line)]
    assert line.startswith(".snakemake/locks: ")
    assert "make unlock" in line
    assert make(own, "unlock").returncode == 0
    done = make(own, "paper")
    assert done.returncode == 0, done.stderr
    assert "Nothing to be done" in done.stdout + done.stderr


def test_make_stops_before_it_builds_on_an_edited_output(own: Path):
    edit(own / "paper_tables/numbers.tex", b"", keep_time=True)
    for target in ("paper", "verify"):
        done = make(own, target)
        assert done.returncode != 0
        assert done.stderr.startswith("paper_tables/numbers.tex: sha256: ")
        assert "make paper FORCE=1" in done.stderr
        assert "snakemake" not in done.stdout
    forced = make(own, "--dry-run", "paper", "FORCE=1").stdout
    assert "--forceall" in forced
    assert "verify_outputs" not in forced


def test_a_read_only_folder_is_named_with_its_cause(own: Path):
    folder = own / "paper_tables"
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(folder)], capture_output=True, check=False).returncode:
        pytest.skip("a read-only tmpfs cannot be mounted here: it takes the rights of root")
    try:
        done = snakemake(own)
    finally:
        subprocess.run(["umount", str(folder)], check=True)
    assert done.returncode == 2
    assert "paper_tables: folder: Read-only file system; allowed: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """An environment with a package, as the script that builds it leaves it; the path of its stamp."""
    folder = tmp_path / "checkout" / ".venv"
    venv.create(folder, with_pip=False, symlinks=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "numpy").mkdir()
    (packages / "numpy/core.py").touch()
    (folder / "bin/snakemake").write_text(f"#!{sys.executable}\n", encoding="utf-8")
    stamp = folder / "prophet-environment"
    stamp.write_text(json.dumps(BUILD["record"](folder, [Path("requirements.lock")])), encoding="utf-8")
    return stamp


def why_not(stamp: Path, *, this_python: bool = False, lock: str = "requirements.lock") -> str:
    return BUILD["why_not_whole"](stamp, [Path(lock)], this_python=this_python)


def test_an_environment_that_is_whole_is_left_alone(environment: Path):
    assert why_not(environment) == why_not(environment, this_python=True) == ""


def test_a_broken_environment_is_built_anew_and_says_why(environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert "locks have changed" in why_not(environment, lock="profiles/slurm/requirements.lock")
    (packages,) = environment.parent.glob("lib/python*/site-packages")
    (packages / "numpy").rename(packages / "numpie")
    assert "numpy is missing or not whole" in why_not(environment)
    (packages / "numpie").rename(packages / "numpy")
    (packages / "numpy/core.py").unlink()
    assert "numpy is missing or not whole" in why_not(environment)
    (packages / "numpy/core.py").touch()
    program = environment.parent / "bin/snakemake"
    program.write_text("#!/nowhere/python3\n", encoding="utf-8")
    assert "do not start" in why_not(environment)
    program.write_text(f"#!{sys.executable}\n", encoding="utf-8")
    with monkeypatch.context() as other:
        other.setattr(sys, "base_prefix", "/elsewhere")
        assert "PYTHON is" in why_not(environment, this_python=True)
        assert why_not(environment) == "", "without PYTHON= the environment's own interpreter is kept"
    moved = (tmp_path / "checkout").rename(tmp_path / "moved") / ".venv" / environment.name
    assert "moved" in why_not(moved)
    (tmp_path / "moved").rename(tmp_path / "checkout")
    python = environment.parent / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/python3")
    assert "interpreter is gone" in why_not(environment)
    environment.write_text("3.11", encoding="utf-8")
    assert "not readable" in why_not(environment)
    environment.unlink()
    assert "not finished" in why_not(environment)
