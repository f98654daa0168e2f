// A sheet takes what a canvas's context takes, as far as the explorer uses it, and writes SVG: so the picture a reader
// saves is drawn by the code that draws the screen.
(function (vgf) {
  "use strict";

  const short = value => String(Math.round(value * 100) / 100);
  const SIGNS = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
  const escaped = words => words.replace(/[&<>"]/g, sign => SIGNS[sign]);
  const ANCHORS = { left: "start", center: "middle", right: "end" }, BASELINES = { top: "0.8em", middle: "0.35em" };

  class Sheet {
    parts = [];
    path = "";
    dash = [];
    globalAlpha = 1;
    lineWidth = 1;
    textAlign = "left";
    textBaseline = "middle";

    beginPath() { this.path = ""; }
    moveTo(x, y) { this.path += `M${short(x)} ${short(y)}`; }
    lineTo(x, y) { this.path += `L${short(x)} ${short(y)}`; }
    rect(x, y, width, height) { this.path += `M${short(x)} ${short(y)}h${short(width)}v${short(height)}h${short(-width)}z`; }
    setLineDash(dash) { this.dash = dash; }

    /** A whole circle: no other arc is drawn. */
    arc(x, y, r) {
      const [d, side] = [short(2 * r), short(r)];
      this.path += `M${short(x + r)} ${short(y)}a${side} ${side} 0 1 0 -${d} 0a${side} ${side} 0 1 0 ${d} 0z`;
    }

    add(tag, attributes, inside = "") {
      const alpha = this.globalAlpha < 1 ? { opacity: this.globalAlpha } : {};
      const said = Object.entries({ ...attributes, ...alpha }).map(([name, value]) => ` ${name}="${escaped(String(value))}"`);
      this.parts.push(`<${tag}${said.join("")}>${inside}</${tag}>`);
    }

    fill() { this.add("path", { d: this.path, fill: this.fillStyle }); }

    stroke() {
      const dash = this.dash.length ? { "stroke-dasharray": this.dash.join(" ") } : {};
      this.add("path", { d: this.path, fill: "none", stroke: this.strokeStyle, "stroke-width": this.lineWidth, ...dash });
    }

    letters(words, x, y, look) {
      const anchor = ANCHORS[this.textAlign], size = parseFloat(this.font);
      this.add("text", {
        x: short(x), y: short(y), dy: BASELINES[this.textBaseline], "text-anchor": anchor,
        "font-family": "system-ui, sans-serif", "font-size": size, ...look,
      }, escaped(words));
    }

    fillText(words, x, y) { this.letters(words, x, y, { fill: this.fillStyle }); }

    strokeText(words, x, y) {
      this.letters(words, x, y, {
        fill: "none", stroke: this.strokeStyle, "stroke-width": this.lineWidth, "stroke-linejoin": "round",
      });
    }

    drawImage(canvas, x, y, width, height) {
      this.add("image", { x, y, width, height, href: canvas.toDataURL() });
    }

    /** Everything drawn so far, moved to its place on a larger sheet; what leaves its frame is cut off. */
    placed(x, y, width, height) {
      return `<svg x="${x}" y="${y}" width="${width}" height="${height}" overflow="hidden">${this.parts.join("")}</svg>`;
    }
  }

  const SIDE = 480, GAP = 30, WIDE = 400, HIGH = 270, LINE = 20;

  /** The map and the curve over L, with what was set: one SVG, as text. */
  function picture(walk, at, { scene, held, address }) {
    const { data } = walk, { ink, paper, grid } = vgf.canvas.colours(data), step = Math.floor(at), { words } = vgf;
    const map = new Sheet(), chart = new Sheet(), rest = new Sheet(), left = SIDE + 2 * GAP;
    vgf.map.draw({ context: map, width: SIDE, height: SIDE }, walk, at, { scene, held });
    vgf.chart.values({ context: chart, width: WIDE, height: HIGH }, walk, step);
    Object.assign(rest, { fillStyle: ink, font: "14px" });
    const lines = [...words.settings(walk), "", ...words.values(walk, step)];
    lines.forEach((line, k) => rest.fillText(line, left, GAP + HIGH + LINE * (k + 1.5)));
    rest.strokeStyle = grid;
    rest.beginPath();
    rest.rect(GAP, GAP, SIDE, SIDE);
    rest.stroke();
    const width = SIDE + WIDE + 3 * GAP, height = SIDE + 2 * GAP;
    return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">` +
      `<title>${escaped(words.mapText(walk, step))}</title>` +
      `<desc>${escaped(`${words.summary(walk, step)} ${address}`)}</desc>` +
      `<rect width="${width}" height="${height}" fill="${paper}"/>` +
      map.placed(GAP, GAP, SIDE, SIDE) + chart.placed(left, GAP, WIDE, HIGH) + rest.parts.join("") + "</svg>";
  }

  /** Hand a text to the reader as a file. */
  function save(name, text) {
    const url = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
    Object.assign(document.createElement("a"), { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  }

  vgf.sheet = { picture, save };
})((window.vgfExplorer ??= {}));
