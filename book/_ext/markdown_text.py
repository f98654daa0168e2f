"""What Sphinx has resolved, written as the plain Markdown that Jupyter and Colab read.

Each kind of node has a function; one without raises, so that nothing of a page is lost in silence. Roles and directives
are gone by the time a page is resolved: what is left are words, links, formulas, tables and figures. Links lead to the
published book; pictures travel as attachments of their cell.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urljoin

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.math import get_node_equation_number
from sphinx_design.dropdown import dropdown_main

ALERTS = {"note": "Note", "tip": "Tip", "warning": "Warning", "important": "Important", "hint": "Hint"}
NO_FORM = "a {} has no form in Markdown; give it one in book/_ext/markdown_text.py"
LEFT_OUT = ("figure-files", "figure-origin")  # of the page: files of a figure and where it comes from
TRANSPARENT = (
    nodes.inline,
    nodes.container,
    nodes.compound,
    nodes.generated,
    nodes.abbreviation,
    addnodes.compact_paragraph,
)


class Markdown:
    """Writes one page's nodes.

    Args:
        app: with the environment that resolved the page.
        page: its name.
        address: where the page is published; links of the page start there.
    """

    def __init__(self, app: Sphinx, page: str, address: str) -> None:
        self.app, self.page, self.address = app, page, address
        self.attachments: dict[str, dict[str, str]] = {}
        self.numbers = app.env.toc_fignumbers.get(page, {})

    # blocks

    def blocks(self, children: Sequence[nodes.Node]) -> str:
        """Return blocks, an empty line between them."""
        return "\n\n".join(filter(None, (self.block(child) for child in children)))

    def block(self, node: nodes.Node) -> str:
        """Return one block; a run of words between blocks is a paragraph."""
        if isinstance(
            node, nodes.comment | nodes.raw | addnodes.index | addnodes.toctree | nodes.substitution_definition
        ):
            return ""
        if isinstance(node, nodes.Element) and set(LEFT_OUT) & set(node.get("classes", ())):
            return ""
        for kinds, write in self.kinds():
            if isinstance(node, kinds):
                return write(node)
        if type(node).__name__.endswith("_node") and hasattr(node, "children"):  # of sphinx-proof
            return self.theorem(node)
        if isinstance(node, nodes.Body):
            raise ValueError(f"{self.page}: {NO_FORM.format(type(node).__name__)}")
        return self.line([node])

    def kinds(self) -> list[tuple[type | tuple[type, ...], Callable[..., str]]]:
        """Return what writes which kind of block, the special before the general."""
        return [
            (nodes.section, lambda n: self.blocks(n.children)),
            (nodes.title, self.heading),
            (nodes.rubric, lambda n: f"**{self.line(n.children)}**"),
            (nodes.paragraph, lambda n: self.line(n.children)),
            (nodes.bullet_list, lambda n: self.items(n, lambda _: "- ")),
            (nodes.enumerated_list, lambda n: self.items(n, lambda i: f"{i}. ")),
            (nodes.definition_list, self.definitions),
            (nodes.literal_block, self.code),
            (nodes.math_block, self.equation),
            (nodes.block_quote, lambda n: quoted(self.blocks(n.children))),
            (nodes.figure, self.figure),
            (nodes.image, self.image),
            (nodes.table, self.table),
            (nodes.transition, lambda n: "---"),
            (nodes.target, lambda n: ""),
            ((nodes.admonition, *(getattr(nodes, name) for name in ALERTS)), self.admonition),
            (dropdown_main, self.dropdown),
            ((nodes.container, nodes.compound, nodes.line_block), lambda n: self.blocks(n.children)),
            (nodes.line, lambda n: self.line(n.children)),
        ]

    def heading(self, node: nodes.title) -> str:
        """Return a heading with its number, as the page shows it."""
        level, parent = 0, node.parent
        anchor = f"#{parent['ids'][0]}" if parent["ids"] else ""
        while parent is not None:
            level += isinstance(parent, nodes.section)
            parent = parent.parent
        numbers = self.app.env.toc_secnumbers.get(self.page, {})
        number = numbers.get("" if level == 1 else anchor) or ()
        words = ("#" * max(level, 1), "".join(f"{part}." for part in number), self.line(node.children))
        return " ".join(filter(None, words))

    def items(self, node: nodes.Element, mark: Callable[[int], str]) -> str:
        """Return a list."""
        lines = []
        for count, item in enumerate(node.children, int(node.get("start", 1))):
            first = mark(count)
            lines.append(first + self.blocks(item.children).replace("\n", "\n" + " " * len(first)))
        return "\n".join(lines)

    def definitions(self, node: nodes.definition_list) -> str:
        """Return terms in bold, each before what it means."""
        parts = []
        for item in node.children:
            terms = [self.line(child.children) for child in item.children if isinstance(child, nodes.term)]
            texts = [self.blocks(child.children) for child in item.children if isinstance(child, nodes.definition)]
            parts.append(f"**{', '.join(terms)}**: " + "\n\n".join(texts))
        return "\n\n".join(parts)

    def code(self, node: nodes.literal_block) -> str:
        """Return code between fences long enough for it."""
        language = str(node.get("language", "")).replace("ipython3", "python").replace("default", "")
        fence = "`" * max(3, 1 + max(map(len, re.findall(r"`{3,}", node.astext())), default=0))
        return f"{fence}{language}\n{node.astext()}\n{fence}"

    def equation(self, node: nodes.math_block) -> str:
        """Return a displayed formula with its number."""
        text = node.astext().strip()
        number = ""
        if node.get("number"):
            writer = SimpleNamespace(builder=SimpleNamespace(name="html", fignumbers=self.numbers))
            writer.builder.config = self.app.config
            number = get_node_equation_number(writer, node)  # type: ignore[arg-type]
        if "\\\\" in text and "\\begin" not in text:  # as Sphinx does for the page
            text = f"\\begin{{split}}\n{text}\n\\end{{split}}"
        return f"$$\n{text}{f' {chr(92)}tag{{{number}}}' if number else ''}\n$$"

    def figure(self, node: nodes.figure) -> str:
        """Return a figure: its picture, its number and its caption."""
        pictures = [self.image(image) for image in node.findall(nodes.image) if "only-dark" not in image["classes"]]
        captions = [self.line(caption.children) for caption in node.findall(nodes.caption)]
        number = self.number("figure", node)
        texts = [f"**Fig. {number}.** {caption}" if number else caption for caption in captions]
        legends = [self.blocks(legend.children) for legend in node.findall(nodes.legend)]
        return "\n\n".join([*pictures, *texts, *legends])

    def number(self, kind: str, node: nodes.Element) -> str:
        """Return the number of a figure, table or theorem; empty without one."""
        found = next((self.numbers[kind][i] for i in node["ids"] if i in self.numbers.get(kind, {})), ())
        return ".".join(map(str, found))

    def image(self, node: nodes.image) -> str:
        """Return a picture, which becomes an attachment; of a drawing the PNG beside it, which every viewer shows."""
        path = Path(self.app.srcdir) / node["uri"]
        if path.suffix == ".svg" and path.with_suffix(".png").exists():
            path = path.with_suffix(".png")
        kind = {".png": "image/png", ".svg": "image/svg+xml"}.get(path.suffix)
        if kind is None or not path.exists():
            raise ValueError(f"{self.page}: {node['uri']} cannot be put into the notebook; only .png and .svg can")
        self.attachments[path.name] = {kind: base64.b64encode(path.read_bytes()).decode()}
        alt = re.sub(r"[\[\]\n]", " ", node.get("alt", ""))
        return f"![{alt}](attachment:{path.name})"

    def table(self, node: nodes.table) -> str:
        """Return a table with its caption above it; what is several blocks in a cell is several lines."""
        titles = [self.line(title.children) for title in node.children if isinstance(title, nodes.title)]
        number = self.number("table", node)
        rows = [[self.cell(entry) for entry in row.children] for row in node.findall(nodes.row)]
        if not any(node.findall(nodes.thead)):
            rows = [[""] * max(map(len, rows)), *rows]
        lines = [f"| {' | '.join(row)} |" for row in rows]
        lines.insert(1, "|" + "---|" * len(rows[0]))
        head = [f"**Table {number}.** {title}" if number else f"**{title}**" for title in titles]
        return "\n\n".join([*head, "\n".join(lines)])

    def cell(self, entry: nodes.Node) -> str:
        """Return a table's cell on one line; a bar would end it, and inside a formula has another name."""
        text = "<br>".join(filter(None, self.blocks(entry.children).split("\n")))
        parts = re.split(r"(\$[^$]+\$)", text)
        return "".join(p.replace("|", r"\vert " if p.startswith("$") else r"\|") for p in parts)

    def admonition(self, node: nodes.Element) -> str:
        """Return a box as a quotation with its title in bold."""
        children = list(node.children)
        title = ALERTS.get(type(node).__name__, "")
        if children and isinstance(children[0], nodes.title):
            title = self.line(children.pop(0).children)
        return quoted(f"**{title}**\n\n{self.blocks(children)}" if title else self.blocks(children))

    def theorem(self, node: nodes.Element) -> str:
        """Return a theorem, a definition or an algorithm with its number and title; a proof names itself."""
        if "realtype" not in node:
            return quoted(self.blocks([block for child in node.children for block in child.children]))
        title, *others = node.children
        words = (node["realtype"].title(), self.number(node["countertype"], node), self.line(title.children))
        return quoted(f"**{' '.join(filter(None, words))}.**\n\n{self.blocks(others)}")

    def dropdown(self, node: nodes.Element) -> str:
        """Return a fold, open: its title in bold, and what it holds."""
        title, *others = node.children
        return quoted(f"**{self.line(title.children)}**\n\n{self.blocks(others)}")

    # words

    def line(self, children: Sequence[nodes.Node]) -> str:
        """Return words on one line."""
        return "".join(map(self.words, children)).strip()

    def words(self, node: nodes.Node) -> str:
        """Return one piece of a line."""
        if isinstance(node, nodes.Text):
            return re.sub(r"(?<!\\)([*<])", r"\\\1", node.astext().replace("\n", " "))
        if isinstance(node, nodes.math):
            return f"${node.astext().strip()}$"
        if isinstance(node, nodes.literal):
            return f"`{node.astext()}`" if "`" not in node.astext() else f"`` {node.astext()} ``"
        inside = "".join(map(self.words, node.children))
        if isinstance(node, nodes.emphasis | nodes.title_reference):
            return f"*{inside}*"
        if isinstance(node, nodes.strong):
            return f"**{inside}**"
        if isinstance(node, nodes.superscript | nodes.subscript):
            tag = "sup" if isinstance(node, nodes.superscript) else "sub"
            return f"<{tag}>{inside}</{tag}>"
        if isinstance(node, addnodes.download_reference):
            return f"[{inside}]({self.published('_downloads/' + node['filename'])})" if "filename" in node else inside
        if isinstance(node, nodes.reference):
            return f"[{inside}]({self.target(node)})" if inside else ""
        if isinstance(node, nodes.image):
            return self.image(node)
        if isinstance(node, nodes.raw | nodes.target | addnodes.index | nodes.comment):
            return ""
        if isinstance(node, TRANSPARENT):
            return inside
        if isinstance(node, nodes.Element) and isinstance(node, nodes.Body | nodes.Sequential):
            return self.block(node)
        raise ValueError(f"{self.page}: {NO_FORM.format(type(node).__name__)}")

    def target(self, node: nodes.reference) -> str:
        """Return where a link leads, in the published book or elsewhere."""
        return urljoin(self.address, node["refuri"] if "refuri" in node else f"#{node['refid']}")

    def published(self, path: str) -> str:
        """Return the address of one of the site's files."""
        return urljoin(self.address, "../" * self.page.count("/") + path)


def quoted(text: str) -> str:
    """Return text as a quotation."""
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))
