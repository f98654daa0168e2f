// What the explorer draws with. Drawing goes to a surface: a canvas, or a sheet that writes SVG (sheet.js), so that the
// picture a reader saves is the one on the screen. Every mark has a shape of its own: no colour must be told from another.
(function (vgf) {
  "use strict";

  const dark = () => document.documentElement.dataset.theme === "dark";
  const colours = data => data.colours[dark() ? "dark" : "light"];
  const ratio = () => Math.min(window.devicePixelRatio || 1, 2);
  const FONT = "12px system-ui, sans-serif";

  /** Fit a canvas to its place on the page and the screen's pixels; what is drawn on it counts in CSS pixels. */
  function surface(canvas) {
    const width = canvas.clientWidth, height = canvas.clientHeight;
    const wide = Math.round(width * ratio()), high = Math.round(height * ratio());
    if (canvas.width !== wide || canvas.height !== high) Object.assign(canvas, { width: wide, height: high });
    const context = canvas.getContext("2d");
    context.setTransform(ratio(), 0, 0, ratio(), 0, 0);
    context.clearRect(0, 0, width, height);
    return { context, width, height };
  }

  const SHAPES = {
    ring: (c, x, y, r) => { c.moveTo(x + r, y); c.arc(x, y, r, 0, 2 * Math.PI); },
    square: (c, x, y, r) => c.rect(x - r, y - r, 2 * r, 2 * r),
    diamond: (c, x, y, r) => {
      c.moveTo(x, y - r);
      [[r, 0], [0, r], [-r, 0], [0, -r]].forEach(([u, v]) => c.lineTo(x + u, y + v));
    },
    plus: (c, x, y, r) => { c.moveTo(x - r, y); c.lineTo(x + r, y); c.moveTo(x, y - r); c.lineTo(x, y + r); },
    cross: (c, x, y, r) => {
      c.moveTo(x - r, y - r);
      c.lineTo(x + r, y + r);
      c.moveTo(x - r, y + r);
      c.lineTo(x + r, y - r);
    },
  };

  function paint(context, { fill, stroke, width = 1 }) {
    if (fill) { context.fillStyle = fill; context.fill(); }
    if (stroke) { context.strokeStyle = stroke; context.lineWidth = width; context.stroke(); }
  }

  function mark(context, [shape, r, look], x, y) {
    context.beginPath();
    SHAPES[shape](context, x, y, r);
    paint(context, look);
  }

  /** The marks of the map, by name: the legend shows the same. */
  function marks(data) {
    const { ink, muted, paper, blue, orange, green } = colours(data);
    return {
      start: ["ring", 3, { stroke: muted, width: 1 }],
      now: ["ring", 3.2, { fill: blue, stroke: paper, width: 0.7 }],
      bestOfN: ["square", 7, { stroke: green, width: 2.5 }],
      chosen: ["diamond", 8, { fill: orange, stroke: ink, width: 1.5 }],
      top: ["plus", 8, { stroke: ink, width: 2.5 }],
      falseTop: ["cross", 6, { stroke: ink, width: 2.5 }],
      held: ["ring", 9, { stroke: ink, width: 1.5 }],
    };
  }

  /** Text that stays legible on any ground: an edge of the page's colour around it. */
  function text(context, data, words, x, y, colour, align = "left") {
    Object.assign(context, { font: FONT, textAlign: align, textBaseline: "middle", lineWidth: 3, lineJoin: "round" });
    context.strokeStyle = colours(data).paper;
    context.fillStyle = colour;
    context.strokeText(words, x, y);
    context.fillText(words, x, y);
  }

  /** An arrow; an open head tells the one force from the other without colour. */
  function arrow(context, [x, y], [u, v], colour, open) {
    const length = Math.hypot(u, v), head = Math.min(9, length / 2), [tx, ty] = [x + u, y + v];
    if (length < 1) return;
    const [a, b] = [(head * u) / length, (head * v) / length];
    const wing = side => [tx - a - (side * b) / 2, ty - b + (side * a) / 2];
    context.strokeStyle = context.fillStyle = colour;
    context.lineWidth = 2.5;
    context.beginPath();
    context.moveTo(x, y);
    context.lineTo(tx, ty);
    context.moveTo(...wing(1));
    context.lineTo(tx, ty);
    context.lineTo(...wing(-1));
    if (!open) {
      context.lineTo(...wing(1));
      context.fill();
    }
    context.stroke();
  }

  /** One mark alone, for a legend. */
  function legend(canvas, data, name) {
    const { context, width, height } = surface(canvas), [shape, r, look] = marks(data)[name];
    mark(context, [shape, Math.min(r, 6), look], width / 2, height / 2);
  }

  vgf.canvas = { dark, colours, ratio, FONT, surface, mark, marks, text, arrow, legend };
})((window.vgfExplorer ??= {}));
