"""The rooms and their order (docs/architecture.md): imports point up the list and never back."""

import ast
from pathlib import Path

import retimbre

ROOT = Path(retimbre.__file__).parent
STOREYS = [
    *(
        "_threads",
        "errors",
        "settings",
        "_output",
        "sound",
        "networks",
        "losses",
        "optim",
        "alignment",
        "result",
    ),
    *("_synthesis", "_spectrogram_domain", "_sample_domain", "_content", "_block", "_runner"),
    *("_transfer", "_texture_block", "_texture", "_api", "metrics", "report", "music", "apps"),
]
INSIDE = {
    "sound": [
        *(
            "player",
            "audio",
            "kinds",
            "sections",
            "ogg",
            "flac",
            "mpeg",
            "riff",
            "au",
            "caf",
            "decoding",
            "quantisation",
            "encoding",
            "pipes",
            "chunks",
            "metadata",
            "tag_files",
            "tags",
        ),
        *("files", "outputs", "spool", "loudness", "limiter"),
        *("stft", "mel", "resampling"),
        *("stereo", "phase", "blocks", "clips", "loops"),
    ],
    "networks": ["registry", "weights", "shallow", "harmonic", "vggish", "cnn14"],
    "losses": ["gram", "modules", "terms", "diagonals", "arccosine", "kernel"],
    "optim": ["step", "lbfgs", "adam", "minimise"],
    "alignment": [
        *(
            "grid",
            "notes",
            "intonation",
            "attacks",
            "note_network",
            "events",
            "instrument",
            "strokes",
            "kit",
            "passage",
        ),
        *("partials", "courses", "isolation", "stretch", "sampler"),
        *("registry", "pitch", "holding", "replay", "spectrum", "parts", "percussion", "target"),
    ],
    "metrics": ["transcriber", "heldout", "onsets", "features", "content", "spectral", "measures"],
    "report": [
        "spectrogram",
        "constant_q",
        "outline",
        "axes",
        "cards",
        "loss_curve",
        "rendering",
        "page",
        "comparison",
    ],
    "music": ["score", "orchestra"],
    "apps": [
        *(
            "engines",
            "network_runs",
            "network_trials",
            "compare",
            "demo",
            "explanation",
            "standard_streams",
            "interrupts",
            "places",
            "help",
            "arguments",
            "console",
            "settings_file",
            "endings",
            "flags",
            "recipe",
            "figures",
            "examples",
            "sessions",
            "catalogue",
            "studio",
            "studio_cli",
            "batch",
            "batch_cli",
            "contents",
            "weights_cli",
            "transfer_cli",
            "texture_cli",
            "compare_cli",
            "measure_cli",
            "demo_cli",
            "networks_cli",
            "listening",
            "listening_cli",
            "installation",
            "doctor",
            "cli",
        ),
    ],
    "apps/sessions": [
        "limits",
        "folder",
        "queue",
        "records",
        "requests",
        "soundfiles",
        "session",
        "prepared",
        "work",
    ],
    "apps/engines": ["job", "process", "local", "shards", "call", "window", "cluster"],
    "apps/batch": [
        *("rows", "names", "sources", "streams", "manifest"),
        *(
            "keys",
            "records",
            "folder",
            "styles",
            "work",
            "parcels",
            "shipping",
            "plan",
            "outcome",
            "run",
            "display",
        ),
    ],
    "apps/listening": ["trials", "sounds", "configuration", "tables", "ratings"],
    "apps/studio": ["uploads", "application", "guard", "server"],
}


def _imports(path: Path) -> set[str]:
    """Names of the modules of retimbre that a file needs to run, lazily imported ones included."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            node.body = []
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("retimbre"):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.startswith("retimbre.")}
    return {name.removeprefix("retimbre.") for name in found}


def _files() -> list[Path]:
    return [p for p in ROOT.rglob("*.py") if p.name not in ("__init__.py", "__main__.py")]


def test_every_module_has_a_place() -> None:
    for path in _files():
        parts = path.relative_to(ROOT).with_suffix("").parts
        assert parts[0] in STOREYS, path
        for depth in range(1, len(parts)):
            assert parts[depth] in INSIDE["/".join(parts[:depth])], path


def test_imports_point_up_the_list() -> None:
    checked = 0
    for path in _files():
        wing, *room = path.relative_to(ROOT).with_suffix("").parts
        for name in _imports(path):
            other, *rest = name.split(".")
            if other not in STOREYS:  # a name of the package itself: __version__, or its surface
                assert name == "__version__" or wing == "apps" or other in dir(retimbre), (path, name)
                continue
            checked += 1
            assert STOREYS.index(other) <= STOREYS.index(wing), f"{path} imports {name}"
            above, ours, theirs = wing, room, rest
            while other == wing and ours and theirs and theirs[0] == ours[0]:  # both in a room of the room
                above, ours, theirs = f"{above}/{ours[0]}", ours[1:], theirs[1:]
            if other == wing and ours and theirs and theirs[0] in INSIDE[above]:
                order = INSIDE[above]
                assert order.index(theirs[0]) < order.index(ours[0]), f"{path} imports {name}"
    assert checked > 20


def test_the_page_of_the_architecture_names_every_module() -> None:
    page = (Path(__file__).parents[1] / "docs/architecture.md").read_text(encoding="utf-8")
    rooms = page.partition("## Rooms")[2].partition("\n## ")[0]
    missing = [path for path in _files() if f"`{path.stem}`" not in rooms]
    assert not missing, missing
    assert all(f"**`{room}/`**" in rooms for room in INSIDE)
