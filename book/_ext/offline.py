"""Keep every page free of remote requests, so the book reads the same from a disk, a train or a mirror.

MathJax comes from the installed `sphinx-mathjax-offline`: one file of it, since loading that package as an
extension would copy 24 MB into the site. Scripts, styles and fonts that other extensions point at a remote host are
dropped from each page; live code through Thebe needs one and is not offered.
"""

from importlib.metadata import distribution
from pathlib import Path
from shutil import copyfile
from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config

MATHJAX = "tex-svg-full.js"  # all TeX extensions in one file: nothing is loaded later


def use_local_mathjax(app: Sphinx, config: Config) -> None:
    """Point Sphinx at the copy that `copy_mathjax` makes."""
    config["mathjax_path"] = f"mathjax/{MATHJAX}"


def copy_mathjax(app: Sphinx) -> None:
    """Copy MathJax's one file into the site's `_static`."""
    installed = distribution("sphinx-mathjax-offline").locate_file("sphinx-mathjax-offline")
    target = Path(app.outdir) / "_static" / "mathjax" / MATHJAX
    target.parent.mkdir(parents=True, exist_ok=True)
    copyfile(Path(str(installed)) / "static" / "mathjax" / MATHJAX, target)


def is_remote(asset: Any) -> bool:
    """Say whether a script or style of a page lives elsewhere, or serves only to load Thebe from elsewhere."""
    address = str(getattr(asset, "filename", asset) or "")
    body = str(getattr(asset, "attributes", {}).get("body", ""))
    return address.startswith(("http:", "https:", "//")) or "thebe" in (address + body).lower()


def drop_remote(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: object) -> None:
    """Remove remote assets from one page."""
    for kind in ("script_files", "css_files"):
        context[kind] = [asset for asset in context.get(kind, []) if not is_remote(asset)]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("config-inited", use_local_mathjax, priority=900)
    app.connect("builder-inited", copy_mathjax)
    app.connect("html-page-context", drop_remote, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
