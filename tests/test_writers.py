"""Frames leave through `media/writer.py` and no other way, whatever package they come from."""

import ast
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src/countenance"
ALLOWED = {
    "media/writer.py": "the one way out of a project, behind publish",
    "actors/footage.py": "clips of synthetic actors",
    "actors/triples_files.py": "strips of synthetic actors, in memory",
    "actors/corpus.py": "packed crops of synthetic actors",
    "bench/finding/footage.py": "clips of synthetic actors",
    "bench/finding/sheet.py": "contact sheets of synthetic actors",
    "bench/judge/graded.py": "contact sheets of synthetic actors",
    "bench/pictures.py": "contact sheets of synthetic actors",
    "bench/speed.py": "a clip of a synthetic actor, enlarged",
    "pages/__init__.py": "pictures for reports and pages of this computer, in memory: faces, marked previews",
    "demo/compare.py": "the demo's contact sheet of synthetic actors",
    "demo/journey.py": "copies of what the demo published, of synthetic actors",
    "lesson/exhibits.py": "the demo's ground truth as a clip, a render of synthetic actors",
    "media/sound.py": "the sound of a video that the writer has open",
    "model/record.py": "the preview of a training, in the project's own folder",
    "review/exchange.py": "masks of the project's own faces, to be corrected",
    "review/sheet.py": "small crops of the project's own faces, to be reviewed; a PNG in memory",
    "vision/nudity.py": "a small JPEG in memory, as the net wants its pictures",
    "vision/crops.py": "aligned crops as bytes for the project's own database",
}
"""Who may encode frames, and why that is no way around publish."""
ENCODERS = {"VideoWriter", "imwrite", "imwritemulti", "imencode", "add_stream", "mimwrite", "mimsave", "write_video"}


def calls_that_encode(tree: ast.AST) -> Iterator[ast.Call]:
    """Calls that open a container for writing, or encode or save a picture."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        arguments = [*node.args[1:2], *(word.value for word in node.keywords if word.arg == "mode")]
        modes = [each.value for each in arguments if isinstance(each, ast.Constant)]
        owner = ast.unparse(node.func.value)
        if (
            node.func.attr in ENCODERS
            or (owner == "av" and node.func.attr == "open" and any(str(mode)[:1] in "wa" for mode in modes))
            # Of Pillow; NumPy's own file format holds no frames that a player shows.
            or (node.func.attr == "save" and owner not in {"np", "numpy", "torch"})
        ):
            yield node


def encoders() -> dict[str, list[int]]:
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        lines = [call.lineno for call in calls_that_encode(ast.parse(path.read_text()))]
        if lines:
            found[str(path.relative_to(SOURCE))] = lines
    return found


def test_only_the_writer_and_those_named_here_encode_frames() -> None:
    others = {name: lines for name, lines in encoders().items() if name not in ALLOWED}
    assert not others


def test_nobody_is_allowed_who_doesnt_encode() -> None:
    assert set(ALLOWED) <= set(encoders())


def test_what_encodes_is_found() -> None:
    for code in (
        'av.open(path, "w")',
        'av.open(path, mode="w")',
        'av.open(path, "a")',
        "cv2.imwrite(path, rgb)",
        "cv2.VideoWriter(path)",
        "Image.fromarray(rgb).save(path)",
    ):
        assert len(list(calls_that_encode(ast.parse(code)))) == 1, code
    for code in ("av.open(path)", 'av.open(path, "r")', "np.save(path, points)", 'path.open("w")'):
        assert not list(calls_that_encode(ast.parse(code))), code
