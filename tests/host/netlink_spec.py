# SPDX-License-Identifier: GPL-2.0
"""Proves that kmod/ntmobile.yaml, include/ntmobile/uapi.h and kmod/policy.c say the same. Prints TAP."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
POINTS = []


def point(ok, text, detail=""):
    POINTS.append(ok)
    print(f"{'ok' if ok else 'not ok'} {len(POINTS)} - {text}")
    if not ok and detail:
        print(f"# {detail}")


def same(text, got, want):
    point(got == want, text, f"got {got}, wanted {want}")


# --- The part of YAML that the specification uses: block maps and lists, [flow lists], |, &anchors and *aliases.


def scalar(text, anchors):
    if text.startswith("*"):
        return anchors[text[1:]]
    if text.startswith("["):
        return [scalar(t.strip(), anchors) for t in text.strip("[] ").split(",")]
    if re.fullmatch(r'"?-?\d+"?', text):
        return int(text.strip('"'))
    return text


class Yaml:
    def __init__(self, text):
        self.anchors = {}
        self.lines = [
            (len(line) - len(line.lstrip()), line.strip())
            for line in text.splitlines()
            if line.strip() and not line.strip().startswith("#")
        ]
        self.pos = 0

    def block(self, indent):
        is_list = self.lines[self.pos][1] == "-"
        return self.list(indent) if is_list else self.map(indent)

    def at(self, indent):
        return self.pos < len(self.lines) and self.lines[self.pos][0] == indent

    def below(self, indent):
        return self.pos < len(self.lines) and self.lines[self.pos][0] > indent

    def list(self, indent):
        items = []
        while self.at(indent) and self.lines[self.pos][1] == "-":
            self.pos += 1
            items.append(self.block(self.lines[self.pos][0]))
        return items

    def map(self, indent):
        result = {}
        while self.at(indent):
            key, _, text = self.lines[self.pos][1].partition(":")
            result[key] = self.value(indent, text.strip())
        return result

    def value(self, indent, text):
        self.pos += 1
        if text == "|":
            words = []
            while self.below(indent):
                words.append(self.lines[self.pos][1])
                self.pos += 1
            return " ".join(words)
        anchor = text[1:] if text.startswith("&") else None
        if text and not anchor:
            return scalar(text, self.anchors)
        value = self.block(self.lines[self.pos][0]) if self.below(indent) else None
        if anchor:
            self.anchors[anchor] = value
        return value


# --- C


def without_comments(text):
    return re.sub(r"/\*.*?\*/", "", text, flags=re.S)


def enum_of(text, name):
    """The members of an enum with their values."""
    body = re.search(rf"enum {name} {{(.*?)}};", text, re.S).group(1)
    members, value = {}, 0
    for word in (w.strip() for w in body.split(",")):
        if not word:
            continue
        member, _, number = (p.strip() for p in word.partition("="))
        value = int(number, 0) if number else value
        members[member] = value
        value += 1
    return members


def defines(text):
    return dict(re.findall(r"^#define\s+(NTM_\w+)\s+(.+?)\s*$", text.replace("\\\n", " "), re.M))


UAPI = without_comments((ROOT / "include/ntmobile/uapi.h").read_text())
WIRE = without_comments((ROOT / "include/ntmobile/wire.h").read_text())
POLICY = without_comments((ROOT / "kmod/policy.c").read_text())
SPEC = Yaml((ROOT / "kmod/ntmobile.yaml").read_text()).map(0)
SUITES = enum_of(WIRE, "ntm_suite")
DEFINES = {**defines(WIRE), **defines(UAPI)}
SIZES = {"struct in_addr": 4, "struct in6_addr": 16, "struct sockaddr_in": 16, "struct sockaddr_in6": 28}


def number(text):
    text = text.strip()
    size = re.fullmatch(r"sizeof\((.*)\)", text)
    if size:
        return SIZES[size.group(1)]
    if text in SUITES:
        return SUITES[text]
    return number(DEFINES[text]) if text in DEFINES else int(text, 0)


def c_name(prefix, name):
    return (prefix + name).upper().replace("-", "_")


# --- A policy, from the C and from the specification, in one form: (type, {check: number}) or ("nest", set)


def range_of(name):
    body = re.search(rf"{name} = {{(.*?)}}", POLICY, re.S).group(1)
    return {k: number(v) for k, v in re.findall(r"\.(min|max) = (\w+)", body)}


def policy_of(text):
    text = " ".join(text.split())
    macros = defines(POLICY)
    if text in macros:
        return policy_of(macros[text])
    call = re.fullmatch(r"NLA_POLICY_(\w+)\((.*)\)", text)
    if not call:
        fields = dict(re.findall(r"\.(\w+) = (sizeof\(.*?\)|\w+)", text))
        kind = {"NLA_NUL_STRING": "string"}.get(fields["type"], fields["type"][4:].lower())
        return kind, {"max-len": number(fields["len"])} if "len" in fields else {}
    what, args = call.group(1), [a.strip() for a in re.split(r",(?![^(]*\))", call.group(2))]
    if what == "EXACT_LEN":
        return "binary", {"exact-len": number(args[0])}
    if what == "NESTED":
        return "nest", args[0]
    kind = args[0][4:].lower()
    if what == "FULL_RANGE":
        return kind, range_of(args[1].lstrip("&"))
    unit = "-len" if kind == "binary" else ""
    names = {"MIN": ["min"], "MAX": ["max"], "RANGE": ["min", "max"]}[what]
    return kind, {n + unit: number(a) for n, a in zip(names, args[1:])}


def policies():
    found = {}
    for name, body in re.findall(r"^const struct nla_policy ntm_(\w+)_policy\[.*?\] = {(.*?)^};", POLICY, re.S | re.M):
        entries = re.findall(r"\[(NTM_\w+)\]\s*=\s*(.*?),\n(?=\s*\[|\Z)", body, re.S)
        found[name] = {attr: policy_of(text) for attr, text in entries}
    return found


def policy_in_spec(attr):
    if attr["type"] == "nest":
        return "nest", f"ntm_{attr['nested-attributes']}_policy"
    return attr["type"], attr.get("checks", {})


# --- The points


def check_names():
    same("name of the family", DEFINES["NTM_GENL_NAME"].strip('"'), SPEC["name"])
    same("version of the family", number("NTM_GENL_VERSION"), SPEC["version"])
    groups = [g["name"] for g in SPEC["mcast-groups"]["list"]]
    same("multicast groups", [DEFINES["NTM_GENL_MCGRP_EVENTS"].strip('"')], groups)
    for d in SPEC["definitions"]:
        if d["type"] == "const":
            same(f"constant {d['name']}", number(c_name("", d["name"])), d["value"])
        else:
            want = {c_name(d["name-prefix"], e): i + d["value-start"] for i, e in enumerate(d["entries"])}
            same(f"enum {d['name']}", SUITES, want)


def check_attributes(attr_set):
    enum = {"ntm": "ntm_attr", "key": "ntm_key_attr", "end": "ntm_end_attr", "zones": "ntm_zones_attr", "stats": "ntm_stats_attr"}[attr_set["name"]]
    got = {n: v for n, v in enum_of(UAPI, enum).items() if v and not n.startswith("__")}
    want = {c_name(attr_set["name-prefix"], a["name"]): i + 1 for i, a in enumerate(attr_set["attributes"])}
    same(f"attributes of {attr_set['name']}", got, want)


def check_operations():
    got = {n: v for n, v in enum_of(UAPI, "ntm_cmd").items() if v and not n.startswith("__")}
    want = {}
    for i, op in enumerate(SPEC["operations"]["list"]):
        prefix = "ntm-" if op["name"].startswith("ev-") else SPEC["operations"]["name-prefix"]
        want[c_name(prefix, op["name"])] = i + 1
    same("commands and events", got, want)


def requested(op):
    names = []
    for mode in ("do", "dump"):
        names += op.get(mode, {}).get("request", {}).get("attributes", [])
    return set(names)


def check_policies(sets):
    found = policies()
    want = {"key": {c_name("ntm-key-", n): policy_in_spec(a) for n, a in sets["key"].items()}}
    ends = {n: a for n, a in sets["end"].items() if "checks" in a}
    want["end"] = {c_name("ntm-end-", n): policy_in_spec(a) for n, a in ends.items()}
    want["zones"] = {c_name("ntm-zones-", n): policy_in_spec(a) for n, a in sets["zones"].items()}
    for op in SPEC["operations"]["list"]:
        if "do" in op:
            attrs = {c_name("ntm-a-", n): policy_in_spec(sets["ntm"][n]) for n in requested(op)}
            want[op["name"].replace("-", "_")] = attrs
    same("commands with a policy", sorted(found), sorted(want))
    for name, attrs in want.items():
        same(f"policy of {name}", found.get(name), attrs)


def check_known(sets):
    """Every attribute that an operation names exists."""
    for op in SPEC["operations"]["list"]:
        parts = [op.get("event", {})]
        for mode in ("do", "dump"):
            parts += [op.get(mode, {}).get(part, {}) for part in ("request", "reply")]
        unknown = {a for p in parts for a in p.get("attributes", [])} - set(sets["ntm"])
        same(f"attributes that {op['name']} names", unknown, set())


def main():
    sets = {s["name"]: {a["name"]: a for a in s["attributes"]} for s in SPEC["attribute-sets"]}
    check_names()
    for attr_set in SPEC["attribute-sets"]:
        check_attributes(attr_set)
    check_operations()
    check_known(sets)
    check_policies(sets)
    print(f"1..{len(POINTS)}")
    return not all(POINTS)


if __name__ == "__main__":
    sys.exit(main())
