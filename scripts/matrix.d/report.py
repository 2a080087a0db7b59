"""Puts the pairs of scripts/matrix together: report.py DIR JSON [README]. DIR holds DATAPATH.tsv files with lines of kind, kind,
path, milliseconds until the name was resolved, Mbit/s. README gets a table between its two marks."""
import json
import pathlib
import sys

BEGIN, END = "<!-- matrix: written by scripts/matrix --readme -->", "<!-- end of matrix -->"
HEADS = {"address-restricted": "address-restr.", "port-restricted": "port-restr.", "same-nat": "same NAT",
         "same-nat-hairpin": "same NAT, hairpin", "double-nat": "two NATs", "nat64": "NAT64"}


def read(folder):
    pairs = []
    for name in ("kernel", "tun", "mixed"):
        file = pathlib.Path(folder) / f"{name}.tsv"
        for line in file.read_text().splitlines() if file.exists() else []:
            a, b, path, setup, speed = line.split("\t")
            pairs.append({"a": a, "b": b, "datapath": name, "path": path, "setup_ms": int(setup), "mbit_s": float(speed)})
    return pairs


def head(kind):
    return HEADS.get(kind, kind)


def by_pair(pairs):
    out = {}
    for pair in pairs:
        out.setdefault((pair["a"], pair["b"]), []).append(pair)
    return out


def show(pairs):
    names = sorted({p["datapath"] for p in pairs}, key=["kernel", "tun", "mixed"].index)
    print(f"{'':40}" + "".join(f"{name:>28}" for name in names))
    print(f"{'':40}" + f"{'path    set-up      Mbit/s':>28}" * len(names))
    for (a, b), found in by_pair(pairs).items():
        line = f"{head(a)} - {head(b)}"
        cells = {p["datapath"]: f"{p['path']:7}{p['setup_ms']:5} ms{p['mbit_s']:10.1f}" for p in found}
        print(f"{line:40}" + "".join(f"{cells.get(name, ''):>28}" for name in names))


def cell(found):
    paths = sorted({p["path"] for p in found})
    return f"{'/'.join(paths)}, {max(p['setup_ms'] for p in found)} ms"


def table(pairs):
    """The pairs as a triangle: the path, and the longest set-up of all data paths"""
    found = by_pair(pairs)
    kinds = list(dict.fromkeys(a for a, _ in found if not a.startswith("same-")))
    lines = ["| |" + "".join(f" {head(k)} |" for k in kinds), "|---|" + "---|" * len(kinds)]
    for i, a in enumerate(kinds):
        row = [cell(found[a, b]) if (a, b) in found else "" for b in kinds]
        lines.append(f"| {head(a)} |" + "".join(f" {c} |" for c in row))
    for a, b in found:
        if a.startswith("same-"):
            lines.append(f"\nTwo nodes behind the {head(a)}: {cell(found[a, b])}.")
    return "\n".join(lines)


def into_readme(file, text):
    old = pathlib.Path(file).read_text()
    if BEGIN not in old or END not in old:
        sys.exit(f"report.py: {file} has no place for the matrix")
    before, rest = old.split(BEGIN, 1)
    _, after = rest.split(END, 1)
    pathlib.Path(file).write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")


def main():
    pairs = read(sys.argv[1])
    pathlib.Path(sys.argv[2]).write_text("[\n" + ",\n".join(json.dumps(p) for p in pairs) + "\n]\n")
    show(pairs)
    if len(sys.argv) > 3:
        into_readme(sys.argv[3], table(pairs))


main()
