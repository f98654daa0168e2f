"""Print the built book: one PDF of everything and one of each page, by the Chromium of this machine and without TeX.

The whole book is Sphinx's single page, with a title page and a list of contents put before it. Every PDF is tagged,
so that a screen reader finds its headings, has an outline, and is light whatever the screen is. The book is printed
twice: only then are the pages known that its contents name. All PDFs land in the site too, with links in each page's
download menu, which a site without PDFs does not have.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from browser import REMEDY, find
from pdf_file import bookmarks, places, signed

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "_build"
BOOK = "vgf-companion.pdf"
PATIENCE = 600_000  # milliseconds for any one step of the browser
FOOTER = (
    '<div style="width:100%;font-size:8px;color:#59636e;text-align:center;font-family:sans-serif">'
    '<span class="pageNumber"></span></div>'
)
PRINT_BUTTON = re.compile(r"<li>\s*<button onclick=\"window\.print\(\)\"")

# Sphinx puts every page after the front page's text, each a section behind a mark. Here each gets a sheet of its own,
# the list of them goes to the front, and links lead to places of this document: Sphinx leaves the page's address in
# them, and counts the names of citations anew in each page.
FRONT = """
([title, lines, parts]) => {
  const article = document.querySelector("article.bd-article");
  const make = (tag, name, html) => Object.assign(document.createElement(tag), {className: name, innerHTML: html});
  const words = heading => {
    const copy = heading.cloneNode(true);
    copy.querySelector(".headerlink")?.remove();
    return copy.innerHTML;
  };
  article.querySelectorAll(".citation[id]").forEach(entry => { entry.id = `cited-${entry.id}`; });
  article.querySelectorAll("a[href*='.html#']:not(.external)").forEach(link => {
    const name = link.getAttribute("href").split("#").pop();
    link.setAttribute("href", document.getElementById(`cited-${name}`) && link.closest(".bibtex-citation")
      ? `#cited-${name}` : `#${name}`);
  });
  const marks = [...article.querySelectorAll("span[id^='document-']")];
  const list = make("ol", "", "");
  marks.forEach((mark, i) => {
    const chapter = mark.nextElementSibling;
    chapter.classList.add("chapter");
    if (parts[i]) list.append(make("li", "part", parts[i]));
    const entry = `<a href="#${mark.id}">${words(chapter.querySelector("h2"))}</a><span class="page"></span>`;
    list.append(make("li", "", entry));
    chapter.prepend(mark);
  });
  const contents = make("nav", "book-contents", "<h2>Contents</h2>");
  contents.append(list);
  const edition = lines.map(line => `<p>${line}</p>`).join("");
  article.prepend(make("header", "book-title", `<p class="name">${title}</p>${edition}`), contents);
  return marks.length;
}
"""
NUMBERS = """
pages => document.querySelectorAll(".book-contents li").forEach(entry => {
  const link = entry.querySelector("a");
  if (link) entry.querySelector(".page").textContent = pages[link.getAttribute("href").slice(1)];
})
"""
# Links to other files of the site would lead to this machine's disk, and would tell everyone its folders.
ADDRESSES = """
([root, address]) => document.querySelectorAll("a[href]").forEach(link => {
  if (!link.getAttribute("href").startsWith("#") && link.href.startsWith(root))
    link.href = address + link.href.slice(root.length);
})
"""
# The headings that are printed; those with equations are bookmarked in words of Chromium's own.
HEADINGS = """
() => [...document.querySelectorAll("article :is(h1, h2, h3, h4)")]
  .filter(heading => heading.offsetParent && !heading.querySelector("mjx-container"))
  .map(heading => {
    const copy = heading.cloneNode(true);
    copy.querySelector(".headerlink")?.remove();
    return copy.textContent.trim().replace(/\\s+/g, " ");
  })
"""


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=BUILD / "pdf", help="folder of the PDFs")
    out = parser.parse_args().out
    site = BUILD / "html"
    pages = toc_pages(yaml.safe_load((ROOT / "_toc.yml").read_text()))
    if missing := [page for page in pages if not (site / f"{page}.html").exists()]:
        sys.exit(f"pdf: {missing[0]} is not built; `make book` builds the book")
    from playwright.sync_api import sync_playwright

    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        single_page()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
            print_book(browser, BUILD / "singlehtml" / "index.html", part / BOOK, len(pages) - 1)
            for page in pages:
                print_page(browser, site, page, part / "pages" / f"{page}.pdf")
            browser.close()
        shutil.rmtree(out, ignore_errors=True)
        part.replace(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    link_pages(site, out, pages)


def toc_pages(node: dict[str, Any]) -> list[str]:
    """Return every page named in a table of contents, in order."""
    own = [node[key] for key in ("root", "file") if key in node]
    children = [child for key in ("parts", "chapters", "sections") for child in node.get(key, [])]
    return own + [page for child in children for page in toc_pages(child)]


def chromium() -> str:
    """Return the machine's browser, or stop."""
    found = find()
    if not found:
        sys.exit(f"pdf: no Chromium found; {REMEDY}")
    return found


def single_page() -> None:
    """Let Sphinx write the book as one page, `_build/singlehtml/index.html`."""
    shutil.rmtree(BUILD / "singlehtml", ignore_errors=True)
    command = ["jupyter-book", "build", ".", "--all", "--builder", "singlehtml", "--keep-going"]
    if subprocess.run(command, cwd=ROOT).returncode:
        sys.exit("pdf: Sphinx could not write the book as one page; its messages are above")
    root = yaml.safe_load((ROOT / "_toc.yml").read_text())["root"]
    # Its addresses start at the folder's top, whatever folder Sphinx puts the page in.
    shutil.copyfile(BUILD / "singlehtml" / f"{root}.html", BUILD / "singlehtml" / "index.html")


def front_matter() -> tuple[str, list[str], dict[int, str]]:
    """Return the title, the lines below it, and the caption of each part by the number of its first chapter."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    edition = f"Version {citation['version']}" + (f", {commit.stdout.strip()}" if commit.stdout.strip() else "")
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    parts, number = {}, 0
    for part in toc["parts"]:
        parts[number] = escape(part["caption"])
        number += len(toc_pages(part))
    return escape(citation["title"]), [*map(escape, authors()), escape(edition), escape(citation["url"])], parts


def print_book(browser: Browser, single: Path, target: Path, chapters: int) -> None:
    """Print the single page with its front matter; all of so many chapters must be in it."""
    page = opened(browser, single)
    title, lines, parts = front_matter()
    found = page.evaluate(FRONT, [title, lines, {str(number): caption for number, caption in parts.items()}])
    if found != chapters:
        sys.exit(f"pdf: {found} chapters in the single page, {chapters} in _toc.yml; the book was not printed")
    settle(page)
    page.evaluate(ADDRESSES, [single.parent.as_uri(), address()])
    numbers = places(printed(page))
    page.evaluate(NUMBERS, numbers)
    pdf = printed(page)
    if places(pdf) != numbers:
        sys.exit("pdf: the contents took another page once they had numbers; the book was not printed")
    if torn := sorted(set(page.evaluate(HEADINGS)) - set(bookmarks(pdf))):
        sys.exit(f"pdf: no bookmark reads {torn[0]!r}; headings may be painted on two pages, see print.css")
    keep(pdf, target)
    page.close()


def print_page(browser: Browser, site: Path, name: str, target: Path) -> None:
    """Print one page of the site."""
    page = opened(browser, site / f"{name}.html")
    settle(page)
    page.evaluate(ADDRESSES, [site.as_uri(), address()])
    keep(printed(page), target)
    page.close()


def opened(browser: Browser, source: Path) -> Any:
    """Return a file opened as a page; on a busy machine the book takes more than Playwright's half minute."""
    page = browser.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(source.as_uri(), wait_until="load")
    return page


def settle(page: Any) -> None:
    """Wait for the equations and images of what is open."""
    page.evaluate("() => window.MathJax?.startup?.promise")
    page.evaluate("() => document.querySelectorAll('img').forEach(image => image.loading = 'eager')")
    page.wait_for_function("[...document.images].every(image => image.complete)")


def printed(page: Any) -> bytes:
    """Return what is open as a PDF."""
    pdf: bytes = page.pdf(
        prefer_css_page_size=True,
        print_background=True,
        tagged=True,
        outline=True,
        display_header_footer=True,
        header_template="<span></span>",
        footer_template=FOOTER,
    )
    return pdf


def keep(pdf: bytes, target: Path) -> None:
    """Write a PDF with the authors of CITATION.cff in its properties."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(signed(pdf, ", ".join(authors())))


def address() -> str:
    """Return where the site is published."""
    return str(yaml.safe_load((ROOT / "CITATION.cff").read_text())["url"]).rstrip("/")


def authors() -> list[str]:
    """Return the names in CITATION.cff."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    return [one.get("name") or f"{one['given-names']} {one['family-names']}" for one in citation["authors"]]


def link_pages(site: Path, out: Path, pages: list[str]) -> None:
    """Copy the PDFs into the site and name them in each page's download menu, before the button that prints."""
    shutil.rmtree(site / "_pdf", ignore_errors=True)
    shutil.copytree(out, site / "_pdf")
    for page in pages:
        path = site / f"{page}.html"
        up = "../" * page.count("/")
        entries = link(f"{up}_pdf/pages/{page}.pdf", ".pdf", "Download this page as PDF")
        entries += link(f"{up}_pdf/{BOOK}", "book.pdf", "Download the whole book as PDF")
        html = path.read_text(encoding="utf-8")
        if f"_pdf/{BOOK}" not in html:
            html, count = PRINT_BUTTON.subn(lambda found, entries=entries: entries + found[0], html)
            if count != 1:
                sys.exit(f"pdf: {page} has {count} print buttons, expected one; its links were not written")
            part = path.with_name(f".{path.name}.part")
            part.write_text(html, encoding="utf-8")
            part.replace(path)


def link(address: str, text: str, tooltip: str) -> str:
    """Return an entry of the download menu, in the theme's markup."""
    return (
        f'<li><a href="{address}" class="btn btn-sm dropdown-item" title="{tooltip}" data-bs-placement="left"'
        ' data-bs-toggle="tooltip"><span class="btn__icon-container"><i class="fas fa-file-pdf"></i></span>'
        f'<span class="btn__text-container">{text}</span></a></li>\n'
    )


if __name__ == "__main__":
    main()
