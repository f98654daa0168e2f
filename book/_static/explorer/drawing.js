// What the walk looks like: the map of the bandit and the two charts below it. Nothing is computed here but pixels, and
// every mark has a shape of its own, so that no colour has to be told from another.
(function (vgf) {
  "use strict";

  const CELLS = 64; // the rewards are drawn on a grid of this size
  const dark = () => document.documentElement.dataset.theme === "dark";
  const colours = data => data.colours[dark() ? "dark" : "light"];

  /** Fit a canvas to its place on the page and the screen's pixels; return its context in CSS pixels. */
  function fit(canvas) {
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    const width = Math.round(canvas.clientWidth * ratio), height = Math.round(canvas.clientHeight * ratio);
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
    return context;
  }

  /** Marching squares: line segments of one level of a square field, in cells. */
  function contour(field, size, level, draw) {
    const at = (i, j) => field[j * size + i] - level;
    const edge = (i0, j0, i1, j1) => {
      const a = at(i0, j0), t = a / (a - at(i1, j1));
      return [i0 + t * (i1 - i0), j0 + t * (j1 - j0)];
    };
    for (let j = 0; j + 1 < size; j++) {
      for (let i = 0; i + 1 < size; i++) {
        const corners = [[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1]];
        const cuts = [];
        for (let k = 0; k < 4; k++) {
          const [a, b] = [corners[k], corners[(k + 1) % 4]];
          if (at(...a) > 0 !== at(...b) > 0) cuts.push(edge(...a, ...b));
        }
        for (let k = 0; k + 1 < cuts.length; k += 2) draw(cuts[k], cuts[k + 1]);
      }
    }
  }

  /** The ground: true reward as shading, the followed reward as lines. Drawn once for each error, size and theme. */
  function ground(cache, data, error, side) {
    const key = [error, side, window.devicePixelRatio, dark()].join();
    if (cache.key === key) return cache.canvas;
    const ratio = Math.min(window.devicePixelRatio || 1, 2), { ink, sky } = colours(data), [low, high] = data.box;
    const rgb = [1, 3, 5].map(at => parseInt(sky.slice(at, at + 2), 16));
    const field = bumps => Float64Array.from({ length: CELLS * CELLS }, (_, k) => vgf.value(
      bumps,
      low + ((high - low) * (k % CELLS)) / (CELLS - 1),
      high - ((high - low) * Math.floor(k / CELLS)) / (CELLS - 1),
    ));
    const shade = new ImageData(CELLS, CELLS);
    field(data.reward).forEach((value, k) => shade.data.set([...rgb, 150 * value], 4 * k));
    const small = Object.assign(document.createElement("canvas"), { width: CELLS, height: CELLS });
    small.getContext("2d").putImageData(shade, 0, 0);
    const canvas = Object.assign(document.createElement("canvas"), { width: side * ratio, height: side * ratio });
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    context.drawImage(small, 0, 0, side, side);
    const seen = field(vgf.followed(data, error)), unit = side / (CELLS - 1);
    context.strokeStyle = ink;
    context.globalAlpha = 0.4;
    context.lineWidth = 0.8;
    context.beginPath();
    const highest = Math.max(...seen), gap = data.contour_step;
    for (let level = gap; level < highest; level += gap) {
      contour(seen, CELLS, level, (a, b) => {
        context.moveTo(a[0] * unit, a[1] * unit);
        context.lineTo(b[0] * unit, b[1] * unit);
      });
    }
    context.stroke();
    Object.assign(cache, { key, canvas });
    return canvas;
  }

  const SHAPES = {
    ring: (c, x, y, r) => c.arc(x, y, r, 0, 2 * Math.PI),
    square: (c, x, y, r) => c.rect(x - r, y - r, 2 * r, 2 * r),
    diamond: (c, x, y, r) => [[0, -r], [r, 0], [0, r], [-r, 0], [0, -r]].forEach(([u, v]) => c.lineTo(x + u, y + v)),
    plus: (c, x, y, r) => { c.moveTo(x - r, y); c.lineTo(x + r, y); c.moveTo(x, y - r); c.lineTo(x, y + r); },
    cross: (c, x, y, r) => { c.moveTo(x - r, y - r); c.lineTo(x + r, y + r); c.moveTo(x - r, y + r); c.lineTo(x + r, y - r); },
  };

  function mark(context, shape, x, y, r, { fill, stroke, width = 1 }) {
    context.beginPath();
    SHAPES[shape](context, x, y, r);
    if (fill) { context.fillStyle = fill; context.fill(); }
    if (stroke) { context.strokeStyle = stroke; context.lineWidth = width; context.stroke(); }
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
    };
  }

  /** Draw the map at a step, which may lie between two states. */
  function map(canvas, cache, walk, at) {
    const context = fit(canvas), side = canvas.clientWidth, { data, settings } = walk, [low, high] = data.box;
    if (!side) return; // not laid out yet: the canvas is drawn once it has a size
    const { muted } = colours(data), looks = marks(data);
    const before = walk.path[Math.floor(at)], after = walk.path[Math.ceil(at)], part = at - Math.floor(at);
    const x = value => ((value - low) / (high - low)) * side, y = value => side - x(value);
    const now = i => before[i] + part * (after[i] - before[i]);
    const put = (name, u, v) => mark(context, looks[name][0], x(u), y(v), looks[name][1], looks[name][2]);
    const start = walk.path[0], measure = walk.measures[Math.floor(at)];
    context.drawImage(ground(cache, data, settings.error, side), 0, 0, side, side);
    context.strokeStyle = muted;
    context.lineWidth = 0.7;
    context.globalAlpha = 0.5;
    context.beginPath();
    for (let i = 0; at > 0 && i < start.length; i += 2) {
      context.moveTo(x(start[i]), y(start[i + 1]));
      context.lineTo(x(now(i)), y(now(i + 1)));
    }
    context.stroke();
    context.globalAlpha = 1;
    for (let i = 0; i < start.length; i += 2) put("start", start[i], start[i + 1]);
    for (let i = 0; i < start.length; i += 2) put("now", now(i), now(i + 1));
    put("top", ...walk.tops[1].place);
    if (walk.tops[2]) put("falseTop", ...walk.tops[2].place);
    const first = 2 * walk.measures[0].chosen, chosen = 2 * measure.chosen;
    put("bestOfN", start[first], start[first + 1]);
    put("chosen", now(chosen), now(chosen + 1));
  }

  function legend(canvas, data, name) {
    const context = fit(canvas), [shape, r, look] = marks(data)[name];
    mark(context, shape, canvas.clientWidth / 2, canvas.clientHeight / 2, Math.min(r, 6), look);
  }

  /** A chart over steps: lines, each with a dash pattern and a label at its end, and a mark where the walk stands. */
  function chart(canvas, data, { top, steps, at, lines }) {
    const context = fit(canvas), { ink, muted, grid } = colours(data);
    const left = 30, right = canvas.clientWidth - 8, bottom = canvas.clientHeight - 24, upper = 10;
    const x = step => left + ((right - left) * step) / Math.max(steps, 1);
    const y = value => bottom - ((bottom - upper) * Math.min(value, top)) / top;
    context.font = "12px system-ui, sans-serif";
    context.lineWidth = 1;
    context.strokeStyle = grid;
    context.fillStyle = ink;
    context.textBaseline = "middle";
    context.textAlign = "right";
    for (let k = 0; k <= 4; k++) {
      context.beginPath();
      context.moveTo(left, y((top * k) / 4));
      context.lineTo(right, y((top * k) / 4));
      context.stroke();
      if (k % 2 === 0) context.fillText(String((top * k) / 4), left - 5, y((top * k) / 4));
    }
    context.textBaseline = "top";
    context.textAlign = "center";
    for (const step of new Set([0, Math.round(steps / 2), steps])) {
      context.textAlign = step === 0 ? "left" : step === steps ? "right" : "center";
      context.fillText(step === 0 ? "step 0" : step, x(step), bottom + 6);
    }
    context.strokeStyle = muted;
    context.beginPath();
    context.moveTo(x(at), upper);
    context.lineTo(x(at), bottom);
    context.stroke();
    for (const { values, dash, colour, shape } of lines) {
      context.strokeStyle = data.colours[dark() ? "dark" : "light"][colour];
      context.lineWidth = 2;
      context.setLineDash(dash);
      context.beginPath();
      values.forEach((value, step) => context.lineTo(x(step), y(value)));
      context.stroke();
      context.setLineDash([]);
      const step = Math.min(at, values.length - 1);
      if (values.length) mark(context, shape, x(step), y(values[step]), 4, { fill: context.strokeStyle, stroke: ink });
    }
  }

  /** A line's look in a chart's legend. */
  function swatch(canvas, data, { dash, colour, shape }) {
    const context = fit(canvas), middle = canvas.clientHeight / 2, look = colours(data);
    context.strokeStyle = look[colour];
    context.lineWidth = 2;
    context.setLineDash(dash);
    context.beginPath();
    context.moveTo(0, middle);
    context.lineTo(canvas.clientWidth, middle);
    context.stroke();
    context.setLineDash([]);
    mark(context, shape, canvas.clientWidth / 2, middle, 4, { fill: look[colour], stroke: look.ink });
  }

  Object.assign(vgf, { drawing: { map, legend, chart, swatch } });
})((window.vgfExplorer ??= {}));
