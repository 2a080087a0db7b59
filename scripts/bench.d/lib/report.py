#!/usr/bin/env python3
"""Writes the JSON of a benchmark and prints its table: report.py SCENARIO TARGET RESULTS OUT (see scripts/bench)."""
import json
import operator
import os
import re
import statistics
import sys

CHOICES = {"max": max, "min": min}
BOUNDS = {">=": operator.ge, "<=": operator.le}


def headers(scenario):
    """The lines "# NAME: VALUE" above the scenario's code, as a list of values for each name."""
    found = {}
    with open(scenario) as file:
        for line in file:
            if not line.startswith("#"):
                break
            if match := re.match(r"# ([a-z]+): *(.*)", line):
                found.setdefault(match[1], []).append(match[2])
    return found


def pairs(lines):
    return [tuple(part.strip() for part in line.split("=", 1)) for line in lines]


def table(path):
    with open(path) as file:
        return [line.rstrip("\n").split("\t") for line in file]


def read_runs(path):
    """A run for each kind and round, with all that was measured of it."""
    runs = {}
    for kind, number, metric, value in table(path):
        run = runs.setdefault((kind, int(number)), {"kind": kind, "round": int(number)})
        run[metric] = float(value)
    return list(runs.values())


def values_of(runs, kind, metric):
    return [run[metric] for run in runs if run["kind"] == kind and metric in run]


def operand(text, metric, median):
    if match := re.fullmatch(r"(max|min)\((.*)\)", text):
        return CHOICES[match[1]](median[kind][metric] for kind in match[2].split())
    return median[text][metric]


def ratio(formula, median):
    left, right = (part.strip() for part in formula.split(":"))
    if "/" in left:
        above, below = (median[right][metric.strip()] for metric in left.split("/"))
    else:
        above, below = (operand(part.strip(), left, median) for part in right.split("/"))
    return round(above / below, 3)


def holds(lines, ratios):
    """Of each ratio that is to hold: the bound, as a text, and whether it does."""
    found = {}
    for line in lines:
        name, sign, bound = line.split()
        found[name] = (f"{sign} {bound}", BOUNDS[sign](ratios[name], float(bound)))
    return found


def number(value):
    return f"{value:10.0f}" if value >= 100 else f"{value:10.2f}"


def print_metric(runs, kinds, metric, text, median):
    print(f"\n  {text}\n")
    rounds = sorted({run["round"] for run in runs})
    print("  " + "".ljust(14) + "".join(f"round {r}".rjust(10) for r in rounds) + "median".rjust(10))
    for kind in kinds:
        if metric not in median[kind]:
            continue
        cells = values_of(runs, kind, metric) + [median[kind][metric]]
        print("  " + kind.ljust(14) + "".join(number(value) for value in cells))


def main(scenario, target, results, out):
    header = headers(scenario)
    name = os.path.basename(scenario).removesuffix(".sh")
    kinds, metrics = header["kinds"][0].split(), pairs(header["metric"])
    runs = read_runs(os.path.join(results, "runs.tsv"))
    settings = {"target": target, "processors": os.cpu_count(), **dict(table(os.path.join(results, "settings.tsv")))}
    median = {k: {m: statistics.median(v) for m, _ in metrics if (v := values_of(runs, k, m))} for k in kinds}
    ratios = {key: ratio(formula, median) for key, formula in pairs(header["ratio"])}
    held = holds(header.get("hold", []), ratios)
    report = {"bench": name, "version": 2, "settings": settings, "runs": runs, "median": median, "ratios": ratios,
              "holds": {key: {"bound": bound, "held": ok} for key, (bound, ok) in held.items()}}
    with open(out, "w") as file:
        json.dump(report, file, indent=2)
        file.write("\n")

    print(f"\n{name}, on {target}, Linux {settings.get('kernel', '?')}")
    for metric, text in metrics:
        print_metric(runs, kinds, metric, text, median)
    print()
    for key, value in ratios.items():
        bound, ok = held.get(key, ("", True))
        print(f"  {key} = {value:.2f}" + (f"   to hold {bound}: " + ("held" if ok else "MISSED") if bound else ""))
    print(f"\n  {out}")
    return 0 if all(ok for _, ok in held.values()) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
