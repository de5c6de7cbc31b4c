"""Reads Rust sources as text, enough to know their functions, types, modules and which module names which."""

import collections
import os
import re

NAME = r"[A-Za-z_][A-Za-z0-9_]*"
USE = re.compile(r"(?m)^[ \t]*(?P<exports>pub(?:\([^)]*\))?\s+)?use\s+(?P<tree>[^;]+);")
QUALIFIED = re.compile(rf"(?<![A-Za-z0-9_:.]){NAME}(?:::{NAME})+")
IMPL_FOR = re.compile(r"(?m)^\s*(?:unsafe )?impl\b[^{;]*?\bfor\b[^{;]*\{")
ITEM = re.compile(rf"(?m)^(?P<indent>[ \t]*)(?P<vis>pub(?:\([^)]*\))? )?(?P<words>(?:(?:const|async|unsafe|default) )*)(?P<kind>fn|struct|enum|union|trait|type) (?P<name>{NAME})")


def blank(text):
    """The text at the same length, with comments and what quotes hold as spaces."""
    token = re.compile(
        r"//[^\n]*|/\*.*?\*/|(?<![A-Za-z0-9_])b?r(?P<hashes>#*)\".*?\"(?P=hashes)|\"(?:\\.|[^\"\\])*\"|'(?:\\[^\n]{1,10}?|[^\\'\n])'",
        re.DOTALL,
    )
    return token.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)


def block_end(code, start):
    """Where the first block that opens after `start` is closed."""
    depth = 0
    for brace in re.compile(r"[{}]").finditer(code, start):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return brace.end()
    return len(code)


class Source:
    """One file of src: its text, its code without comments, strings and inline tests, its module's path."""

    def __init__(self, root, path):
        self.path = path
        with open(os.path.join(root, path), encoding="utf-8") as file:
            self.text = file.read()
        code = blank(self.text)
        for tests in re.finditer(r"\bmod tests \{", code):
            end = block_end(code, tests.start())
            code = code[: tests.start()] + re.sub(r"[^\n]", " ", code[tests.start() : end]) + code[end:]
        self.code = code
        names = path[len("src/") : -len(".rs")].split("/")
        self.module = tuple(names[:-1] if names[-1] in ("mod", "lib") else names)

    def line(self, offset):
        return self.text.count("\n", 0, offset) + 1


def rust_files(root, folder):
    """The paths of all Rust files below a folder, from the root."""
    found = []
    for place, below, files in os.walk(os.path.join(root, folder)):
        below[:] = sorted(name for name in below if name != "target")
        found += [os.path.relpath(os.path.join(place, name), root) for name in sorted(files) if name.endswith(".rs")]
    return found


def read_program(root):
    """The files of src without the tests."""
    sources = (Source(root, path) for path in rust_files(root, "src"))
    return [source for source in sources if not {"tests", "fake"} & set(source.module)]


class Item:
    """A function or a type: where it is, its doc comment, its text from the keyword on."""

    def __init__(self, source, found):
        self.kind, self.name = found["kind"], found["name"]
        self.public, self.indent = bool(found["vis"]), found["indent"]
        self.place = f"{source.path}:{source.line(found.start('kind'))}"
        start = found.start("kind")
        body = re.compile(r"[{;]").search(source.code, start)
        self.signature = source.code[start : body.start() if body else len(source.code)]
        self.lines = 1
        if body and body[0] == "{":
            self.lines = source.code.count("\n", found.start(), block_end(source.code, start)) + 1
        self.doc = doc_above(source.text[: found.start()].split("\n")[:-1])


def doc_above(lines):
    """The `///` comment that ends these lines, attributes between left out."""
    doc, inside_attribute = [], False
    for line in reversed(lines):
        line = line.strip()
        if line.startswith("///"):
            doc.append(line[3:].strip())
        elif line.endswith("]") or inside_attribute:
            inside_attribute = not line.startswith("#[")
        else:
            break
    return "\n".join(reversed(doc))


def read_items(sources):
    """All functions and types, without the methods that somebody else's trait asks for, and without associated types."""
    own_traits = {found[1] for source in sources for found in re.finditer(rf"\btrait ({NAME})", source.code)}
    items = []
    for source in sources:
        foreign, implementing = [], []
        for found in IMPL_FOR.finditer(source.code):
            block = (found.end() - 1, block_end(source.code, found.end() - 1))
            trait = re.sub(r"<[^<>]*>", "", re.sub(r"^\s*(unsafe )?impl\s*(<(?:[^<>]|<[^<>]*>)*>)?", "", found[0]))
            name = re.match(rf"\s*!?((?:{NAME}::)*({NAME}))", trait)
            implementing.append(block)
            if not name or name[2] not in own_traits:
                foreign.append(block)
        for found in ITEM.finditer(source.code):
            within = lambda blocks: any(start < found.start() < end for start, end in blocks)
            associated = found["kind"] == "type" and found["indent"] and not found["vis"]
            if associated or (found["kind"] == "fn" and within(foreign)) or (found["kind"] != "fn" and within(implementing)):
                continue
            items.append(Item(source, found))
    return items


def expand(tree, above=()):
    """The paths of a `use` tree."""
    parts, depth, start = [], 0, 0
    for at, char in enumerate(tree + ","):
        depth += (char == "{") - (char == "}")
        if char == "," and depth == 0:
            parts.append((tree + ",")[start:at].strip())
            start = at + 1
    for part in filter(None, parts):
        path, brace, group = part.partition("{")
        names = above + tuple(name.strip() for name in path.split(" as ")[0].split("::") if name.strip())
        if brace:
            yield from expand(group[: group.rindex("}")], names)
        else:
            yield names[:-1] if len(names) > 1 and names[-1] == "self" else names


def read_arrows(sources):
    """For each module, those that it names; what a module exports again is followed to where it comes from."""
    modules = {source.module for source in sources}

    def absolute(source, names):
        if names[0] == "crate":
            return names[1:]
        if names[0] == "self":
            return source.module + names[1:]
        if names[0] == "super":
            up = next((at for at, name in enumerate(names) if name != "super"), len(names))
            return source.module[: len(source.module) - up] + names[up:]
        return source.module + names if source.module + names[:1] in modules else None

    exports, written = {}, []
    for source in sources:
        for found in USE.finditer(source.code):
            for names in expand(found["tree"]):
                written.append((source, names))
                if found["exports"] and absolute(source, names):
                    exports[source.module + names[-1:]] = absolute(source, names)
        rest = USE.sub("", source.code)
        written += [(source, tuple(found[0].split("::"))) for found in QUALIFIED.finditer(rest)]
    arrows = {module: set() for module in modules}
    for source, names in written:
        path = absolute(source, names) or ()
        for _ in range(5):
            heads = (path[:length] for length in range(len(path), 0, -1))
            head = next((head for head in heads if head in exports and head not in modules), None)
            if head is None:
                break
            path = exports[head] + path[len(head) :]
        target = next((path[:length] for length in range(len(path), 0, -1) if path[:length] in modules), None)
        if target and target != source.module:
            arrows[source.module].add(target)
    return arrows


def find_circles(arrows):
    """The rooms of one parent that lead back to themselves: (parent, rooms)."""
    circles = []
    for parent in sorted({module[:length] for module in arrows for length in range(len(module))}):
        depth = len(parent)
        uses = collections.defaultdict(set)
        for module, named in arrows.items():
            if len(module) > depth and module[:depth] == parent:
                room = module[depth]
                uses[room] |= {o[depth] for o in named if len(o) > depth and o[:depth] == parent and o[depth] != room}
        reached = {}
        for room in list(uses):
            seen, todo = set(), [room]
            while todo:
                for other in uses[todo.pop()] - seen:
                    seen.add(other)
                    todo.append(other)
            reached[room] = seen
        groups = {frozenset(o for o in reached[room] if room in reached[o]) for room in reached if room in reached[room]}
        circles += [("::".join(parent) or "crate", sorted(group)) for group in groups]
    return circles
