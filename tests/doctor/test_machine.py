"""Java, processor, memory, GPU, disk and clock: each made to fail by what it is given to look at."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cxrshift.doctor.checks import Check, State
from cxrshift.doctor.clock import check_clock
from cxrshift.doctor.disk import Place, check_place, written_places
from cxrshift.doctor.frontend import check_frontend, check_java, torchserve_folder
from cxrshift.doctor.graphics import TorchBuild, check_graphics, gpu_devices, torch_build
from cxrshift.doctor.hardware import Sources, check_hardware, say_bytes
from cxrshift.doctor.packages import PURPOSES, check_extras, check_python, parse_requirement
from cxrshift.doctor.runtimes import check_runtimes
from cxrshift.runtime.devices import Gpu, driver_version, usable_gpus
from cxrshift.serving.torchserve import MissingJava, find_java

# ---- Python ----


@pytest.mark.parametrize(
    ("version", "state"), [((3, 10, 9), State.FAIL), ((3, 11, 0), State.OK), ((3, 14, 0), State.FAIL)]
)
def test_python_must_be_one_that_this_runs_on(version: tuple[int, int, int], state: State) -> None:
    assert check_python(version).state is state


STATED = ["numpy>=2.1", 'pillow>=11; extra == "image"', 'torch>=2.8; extra == "engine"', 'typer>=0.29; extra == "cli"']


def test_extras_are_told_by_what_of_them_is_missing_or_of_another_version() -> None:
    there = {"cxrshift": "0.1", "numpy": "2.3.4", "pillow": "10.4.0", "typer": "0.29.2"}
    told = {check.name: check for check in check_extras(STATED, there.get)}
    assert told["cxrshift"].state is State.OK
    assert (told["extra engine"].state, told["extra engine"].remedy) == (State.SKIP, "pip install 'cxrshift[engine]'")
    assert "torch missing" in told["extra engine"].found
    assert told["extra image"].state is State.WARN
    assert "cli" in told["extras"].found


def test_a_base_install_without_its_own_packages_fails() -> None:
    checks = list(check_extras(STATED, {"cxrshift": "0.1"}.get))
    assert (checks[0].state, checks[0].found) == (State.FAIL, "0.1, without numpy")


def test_every_extra_is_known_but_those_the_project_is_made_with() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
    assert set(PURPOSES) == set(project["optional-dependencies"]) - {"dev", "docs"}


def test_this_very_install_is_whole() -> None:
    assert [check.name for check in check_extras() if check.state in (State.WARN, State.FAIL)] == []


def test_a_requirement_is_read_with_its_bounds() -> None:
    need = parse_requirement("protobuf<7,>=6.31")
    assert [need.allows(version) for version in ("6.30.2", "6.31", "6.33.1", "7.0")] == [False, True, True, False]


# ---- Java and TorchServe ----


def program(folder: Path, script: str) -> Path:
    path = folder / "java"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_the_java_that_serving_takes_is_told() -> None:
    check = check_java(find_java, wanted=True)
    assert (check.state, str(find_java()) in check.found) == (State.OK, True)


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("""echo 'openjdk version "11.0.2" 2019-01-15' >&2""", "TorchServe needs 17 or later"),
        ("exit 3", "ends with code 3"),
        ("echo hello", "ends with code 0"),
    ],
)
def test_a_java_that_will_not_do_fails(tmp_path: Path, script: str, told: str) -> None:
    check = check_java(lambda: program(tmp_path, script), wanted=True)
    assert (check.state, told in check.found) == (State.FAIL, True)
    assert check.remedy


def test_a_java_that_is_not_there_fails_only_where_torchserve_is(tmp_path: Path) -> None:
    def missing() -> Path:
        raise MissingJava("none")

    assert check_java(missing, wanted=True).state is State.FAIL
    assert check_java(missing, wanted=False).state is State.SKIP
    assert "does not start: No such file" in check_java(lambda: tmp_path / "gone", wanted=True).found


def test_a_torchserve_without_its_front_end_fails(tmp_path: Path) -> None:
    (tmp_path / "frontend").mkdir()
    assert next(iter(check_frontend(find_java, lambda: tmp_path))).state is State.FAIL
    assert next(iter(check_frontend(find_java, lambda: None))).state is State.SKIP
    assert torchserve_folder() is not None


# ---- processor and memory ----

MEMINFO = "MemTotal: {} kB\nMemFree: 1 kB\nMemAvailable: {} kB\n"


def machine(folder: Path, *, flags: str = "fpu avx2", available: int = 8 << 20, **cgroup: str) -> Sources:
    (folder / "proc").mkdir()
    (folder / "proc/cpuinfo").write_text(f"processor : 0\nflags\t\t: {flags}\n\n")
    (folder / "proc/meminfo").write_text(MEMINFO.format(16 << 20, available))
    (folder / "cgroup").mkdir()
    for name, content in cgroup.items():
        (folder / "cgroup" / name.replace("_", ".")).write_text(content)
    return Sources(folder / "proc", folder / "cgroup")


def test_instruction_sets_are_told_and_their_lack_is_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    good = next(iter(check_hardware(machine(tmp_path / "a", flags="sse avx2 avx512f avx512_bf16"))))
    bad = next(iter(check_hardware(machine(tmp_path / "b", flags="sse sse2"))))
    assert (good.state, good.found.endswith("avx2, avx512f, avx512_bf16")) == (State.OK, True)
    assert (bad.state, "without AVX2" in bad.found) == (State.WARN, True)


def test_a_containers_limits_count(tmp_path: Path) -> None:
    sources = machine(tmp_path, cpu_max="50000 100000", memory_max=str(1 << 30), memory_current=str(200 << 20))
    processor, memory = check_hardware(sources)
    assert (processor.state, "0.5 of" in processor.found) == (State.WARN, True)
    assert memory.state is State.WARN
    assert memory.found == "824 MiB available of 16.0 GiB, the container's limit is 1.0 GiB"


def test_a_container_without_limits_has_none(tmp_path: Path) -> None:
    _, memory = check_hardware(machine(tmp_path, cpu_max="max 100000", memory_max="max"))
    assert (memory.state, memory.found) == (State.OK, "8.0 GiB available of 16.0 GiB")


def test_a_system_without_proc_is_no_fault(tmp_path: Path) -> None:
    _, memory = check_hardware(Sources(tmp_path, tmp_path))
    assert memory.state is State.SKIP
    assert [say_bytes(n) for n in (5, 2048, 3 << 20, 5 << 30, 7 << 40)] == [
        "5 bytes",
        "2 KiB",
        "3 MiB",
        "5.0 GiB",
        "7.0 TiB",
    ]


# ---- GPU ----

GPU = Gpu("NVIDIA Example", "570.1", "9.0", 70 << 30, 80 << 30)


def graphics(nodes: Sequence[str], build: TorchBuild | None, gpus: Sequence[Gpu] = ()) -> Check:
    return list(check_graphics(devices=lambda: nodes, build=lambda: build, ask_torch=lambda: gpus))[-1]


@pytest.mark.parametrize(
    ("check", "state", "told"),
    [
        (lambda: graphics([], TorchBuild("2.9", "12.8")), State.SKIP, "no NVIDIA device"),
        (lambda: graphics(["/dev/nvidia0"], None), State.SKIP, "torch, which would use it, is not installed"),
        (lambda: graphics(["/dev/nvidia0"], TorchBuild("2.9+cpu", None)), State.WARN, "built for CPUs alone"),
        (lambda: graphics(["/dev/nvidia0"], TorchBuild("2.9", "12.8")), State.WARN, "torch cannot use it"),
        (lambda: graphics(["/dev/nvidia0"], TorchBuild("2.9", "12.8"), [GPU]), State.OK, "70.0 GiB free of 80.0 GiB"),
    ],
)
def test_a_gpu_is_told_or_why_there_is_none(check: Callable[[], Check], state: State, told: str) -> None:
    assert (check().state, told in check().found) == (state, True)


def test_torch_is_read_without_being_imported(tmp_path: Path) -> None:
    (tmp_path / "version.py").write_text("__version__ = '2.9.1+cu128'\ncuda: str | None = '12.8'\n")
    assert torch_build(tmp_path) == TorchBuild("2.9.1+cu128", "12.8")
    assert torch_build(tmp_path / "none") is None
    installed = torch_build()
    import torch

    assert installed == TorchBuild(torch.__version__, torch.version.cuda)
    assert len(usable_gpus()) == (torch.cuda.device_count() if torch.cuda.is_available() else 0)


def test_devices_and_driver_are_found_by_their_files(tmp_path: Path) -> None:
    for name in ("nvidia1", "nvidia0", "nvidiactl", "sda"):
        (tmp_path / name).touch()
    assert [Path(node).name for node in gpu_devices(tmp_path)] == ["nvidia0", "nvidia1"]
    (tmp_path / "version").write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.86.15  Thu Jan 16\n")
    assert driver_version(tmp_path / "version") == "570.86.15"
    assert driver_version(tmp_path / "none") == ""


# ---- runtimes ----


def test_runtimes_are_told_by_what_they_lack() -> None:
    def states(there: set[str], versions: dict[str, str]) -> list[State]:
        return [check.state for check in check_runtimes(there.__contains__, versions.get)]

    both = {"onnxruntime": "1.24", "onnxruntime-gpu": "1.24"}
    assert states(set(), {}) == [State.SKIP] * 3
    assert states({"onnxruntime", "onnxscript"}, {"onnxruntime": "1.24"}) == [State.OK, State.SKIP, State.SKIP]
    assert states({"onnxruntime", "onnxscript"}, both)[0] is State.WARN
    assert states({"openvino"}, {"openvino": "2026.1"})[1] is State.WARN


# ---- disk ----


@pytest.mark.parametrize(("free", "state"), [(50, State.FAIL), (150, State.WARN), (500, State.OK)])
def test_room_is_judged_by_what_is_needed(tmp_path: Path, free: int, state: State) -> None:
    place = Place("exports", tmp_path / "not/yet/there", 100, 200, "name another in X")
    asked = []

    def room(folder: Path) -> int:
        asked.append(folder)
        return free

    check = check_place(place, room)
    assert (check.state, asked) == (state, [tmp_path])
    assert bool(check.remedy) == (state is not State.OK)


def test_a_place_that_is_a_file_or_may_not_be_written_to_fails(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    file = check_place(Place("exports", tmp_path / "file/exports", 1, 2, "name another in X"), lambda folder: 10)
    assert (file.state, file.found) == (State.FAIL, f"{tmp_path / 'file'} is no folder")
    locked = check_place(Place("spool", tmp_path, 1, 2, "name another in X"), lambda folder: 10, lambda folder: False)
    assert (locked.state, "may not be written to" in locked.found) == (State.FAIL, True)


def test_the_places_are_those_that_the_service_writes_to(tmp_path: Path) -> None:
    environment = {"CXRSHIFT_DATA_HOME": str(tmp_path / "data"), "CXRSHIFT_AUDIT_FILE": str(tmp_path / "log/audit.xml")}
    places = written_places(environment, tmp_path / "cache", (tmp_path / "spool", 1 << 30))
    assert {place.name: place.folder for place in places if place.name != "temporary"} == {
        "models": tmp_path / "data/models",
        "exports": tmp_path / "cache",
        "audit": tmp_path / "log",
        "spool": tmp_path / "spool",
    }


# ---- clock ----


def test_a_clock_that_cannot_be_right_is_told() -> None:
    now = datetime(2026, 5, 1, tzinfo=UTC)
    day = timedelta(days=1)
    assert check_clock(now, installed=now - day).state is State.OK
    assert check_clock(now, installed=now + day).state is State.FAIL
    assert check_clock(now, installed=now - day, theirs=now + timedelta(seconds=59)).state is State.OK
    assert check_clock(now, installed=now - day, theirs=now + day).state is State.WARN
