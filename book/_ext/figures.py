"""Show a figure's dark version in dark mode.

`vgf.book.plots.save_figure` writes `X.svg` and `X-dark.svg`. Wherever a page shows the first and the second lies beside
it, both are put into the same figure, with one caption, number and alternative text; the theme shows the one that
fits. A figure without a dark version is left as it is.
"""

from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform


class DarkTwin(SphinxTransform):
    """Add the dark image after each light one; runs before Sphinx collects the images it copies."""

    default_priority = 500

    def apply(self) -> None:
        """Change the document in place."""
        for image in list(self.document.findall(nodes.image)):
            uri = image["uri"]
            if not uri.endswith(".svg") or "://" in uri or not self.twin(uri).exists():
                continue
            dark = image.deepcopy()
            dark["uri"] = uri.removesuffix(".svg") + "-dark.svg"
            dark["ids"], dark["names"] = [], []
            dark["classes"] = [*image["classes"], "only-dark"]
            image["classes"] = [*image["classes"], "only-light"]
            image.parent.insert(image.parent.index(image) + 1, dark)

    def twin(self, uri: str) -> Path:
        """Return where the dark version of an image would be; `uri` starts at the book's root or at the page."""
        _, path = self.env.relfn2path(uri, self.env.docname)
        return Path(path.removesuffix(".svg") + "-dark.svg")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_transform(DarkTwin)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
