"""The notebook runs, here and now, shows what is stored in it, and writes a figure that a journal takes."""

from __future__ import annotations

import re
import zlib
from pathlib import Path

import pytest
from nbformat import NotebookNode
from PIL import Image

from cxrshift_api.types import NOTICE
from tests.stack.stack_calls import phantom_file
from tools.notebook import read_notebook, run_notebook

FILE = Path(__file__).resolve().parents[2] / "examples/explain.ipynb"
COLUMN = 88.0 / 25.4
"""Inches."""


@pytest.fixture(scope="module")
def stored() -> NotebookNode:
    return read_notebook(FILE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("notebook")


@pytest.fixture(scope="module")
def runs(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[NotebookNode, NotebookNode]:
    """The notebook run as it is, then with a file of the reader's own; in one kernel, since torch is slow to come."""
    (folder / "chest.png").write_bytes(phantom_file(18))
    both, own = read_notebook(FILE), read_notebook(FILE)
    (settings,) = (cell for cell in own.cells if "settings" in cell.metadata.get("tags", ()))
    for old, new in (
        ("Path | None = None", 'Path | None = Path("chest.png")'),
        ('"Mass"', "None"),
        ("out/notebook", "out/own"),
    ):
        assert settings.source.count(old) == 1
        settings.source = settings.source.replace(old, new)
    for cell in own.cells:
        cell.id = f"own-{cell.id}"
    count = len(both.cells)
    both.cells += own.cells
    with pytest.MonkeyPatch.context() as patch:
        # As on a machine where nothing was measured: what other tests measured decides in which runtime a model runs.
        patch.setenv("CXRSHIFT_EXPORT_CACHE", str(tmp_path_factory.mktemp("no-exports")))
        run_notebook(both, folder)
    own.cells, both.cells = both.cells[count:], both.cells[:count]
    return both, own


@pytest.fixture
def fresh(runs: tuple[NotebookNode, NotebookNode]) -> NotebookNode:
    """The notebook after a run of now, as it is."""
    return runs[0]


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def words_of(notebook: NotebookNode) -> str:
    """What all cells printed."""
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    return "".join(output.text for output in outputs if output.output_type == "stream")


def shape_of(output: NotebookNode) -> tuple[str, ...]:
    """What kind of output it is; of words also the words, but no number, for numbers differ between machines."""
    if output.output_type == "stream":
        return ("stream", output.name, re.sub(r"[+−]?\d[\d.]*(\+\w+)?", "#", output.text))
    return (output.output_type, *sorted(output.data))


def test_a_run_shows_what_is_stored(stored: NotebookNode, fresh: NotebookNode) -> None:
    for kept, new in zip(code_cells(stored), code_cells(fresh), strict=True):
        assert [shape_of(each) for each in kept.outputs] == [shape_of(each) for each in new.outputs], kept.id
    assert [cell.execution_count for cell in code_cells(stored)] == list(range(1, len(code_cells(stored)) + 1))


def test_no_cell_warns(fresh: NotebookNode) -> None:
    kinds = [shape_of(output)[:2] for cell in code_cells(fresh) for output in cell.outputs]
    assert set(kinds) == {("stream", "stdout"), ("display_data", "image/jpeg")}
    assert kinds.count(("display_data", "image/jpeg")) == 7


def test_what_is_stored_is_small_and_of_no_machine(stored: NotebookNode) -> None:
    assert FILE.stat().st_size < 400_000
    assert stored.metadata == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    assert all(set(cell.metadata) <= {"tags"} for cell in stored.cells)


def test_the_quality_card_passes_the_phantom_and_warns_of_noise(fresh: NotebookNode) -> None:
    radiograph, noise = words_of(fresh).split("this radiograph:")[1].split("noise:")
    assert "no warning" in radiograph
    assert "unlike the radiographs that the model was trained on" in noise


def test_the_picture_is_one_column_wide_at_300_dpi(fresh: NotebookNode, folder: Path) -> None:
    with Image.open(folder / "out/notebook/figure.png") as picture:
        assert picture.width == int(COLUMN * 300)
        assert picture.info["dpi"] == pytest.approx((300, 300), abs=0.01)
        assert picture.info["Description"] == NOTICE
        assert len(picture.convert("L").getcolors() or ()) == 256


def test_the_pdf_has_its_type_as_type_and_none_of_it_under_six_points(fresh: NotebookNode, folder: Path) -> None:
    content = (folder / "out/notebook/figure.pdf").read_bytes()
    assert content.startswith(b"%PDF-")
    box = re.search(rb"/MediaBox \[ ([\d. ]+) \]", content)
    assert box is not None
    assert [float(number) for number in box[1].split()][2] == pytest.approx(COLUMN * 72, abs=0.01)
    assert b"/FontFile2" in content
    assert content.count(b"/Subtype /Image") >= 6
    assert NOTICE.encode() in content
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", content, re.DOTALL)
    drawn = [zlib.decompressobj().decompress(each) for each in streams if each[:1] == b"\x78"]
    page = b"".join(each for each in drawn if b" Tf" in each)
    sizes = [float(size) for size in re.findall(rb"/F\d+ ([\d.]+) Tf", page)]
    assert len(sizes) > 20
    assert min(sizes) >= 6.0


def test_the_caption_is_enough_to_repeat_it(fresh: NotebookNode, folder: Path) -> None:
    caption = (folder / "out/notebook/caption.txt").read_text("utf-8")
    assert caption in words_of(fresh)
    for part in (
        "Mass by Latent Shift",
        "λ = ",
        "model phantom ",
        "autoencoder.safetensors ",
        "float32, torch",
        NOTICE,
    ):
        assert part in caption


def test_it_takes_a_file_of_the_readers_own(runs: tuple[NotebookNode, NotebookNode], folder: Path) -> None:
    words = words_of(runs[1])
    assert "a radiograph of 256 x 256 pixels for cxr-small" in words
    assert {file.name for file in (folder / "out/own").iterdir()} == {"figure.pdf", "figure.png", "caption.txt"}
    assert "model cxr-small " in (folder / "out/own/caption.txt").read_text("utf-8")
