"""What is linked into the binary, as cargo resolved it: the one list that `notices` and `sbom` are made from."""

import json
import os
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TARGET = "x86_64-unknown-linux-gnu"


def read_linked_crates(target):
    """The program, the crates that normal dependencies lead to from it, and by each one's id the ids of what it needs."""
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", target]
    metadata = json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    program = metadata["resolve"]["root"]
    needs, open_ids = {}, [program]
    while open_ids:
        this = open_ids.pop()
        if this in needs:
            continue
        needs[this] = [
            dependency["pkg"]
            for dependency in nodes[this]["deps"]
            if any(kind["kind"] is None for kind in dependency["dep_kinds"])
        ]
        open_ids.extend(needs[this])
    crates = [packages[this] for this in needs if this != program]
    return packages[program], sorted(crates, key=lambda package: (package["name"], package["version"])), needs
