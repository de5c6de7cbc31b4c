"""Says as JSON what stands in a Markdown file by markdown-it: headings, tables, fences, links, and how much of it is HTML."""

import json
import sys

from markdown_it import MarkdownIt


def plain(token):
    return "".join(child.content for child in token.children or [])


def main():
    parser = MarkdownIt("commonmark", {"html": True}).enable("table")
    tokens = parser.parse(open(sys.argv[1], encoding="utf-8").read())
    found = {"headings": [], "tables": [], "fences": [], "links": [], "html": 0}
    for at, token in enumerate(tokens):
        if token.type == "heading_open":
            found["headings"].append({"level": int(token.tag[1:]), "text": plain(tokens[at + 1])})
        elif token.type == "table_open":
            found["tables"].append([])
        elif token.type == "tr_open":
            found["tables"][-1].append([])
        elif token.type in ("td_open", "th_open"):
            found["tables"][-1][-1].append(plain(tokens[at + 1]))
        elif token.type == "fence":
            found["fences"].append({"info": token.info, "text": token.content})
        elif token.type == "html_block":
            found["html"] += 1
        for child in token.children or []:
            if child.type == "link_open":
                found["links"].append(child.attrs["href"])
            elif child.type == "html_inline":
                found["html"] += 1
    print(json.dumps(found))


main()
