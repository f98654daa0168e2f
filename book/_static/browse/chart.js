// The chart of learning curves, as SVG: it follows the theme by the style sheet alone. Every method has a colour and a mark
// of its own; those without a colour of their own are grey, dotted and told apart by their marks.
(function (vgf) {
  "use strict";

  const SPACE = "http://www.w3.org/2000/svg";
  const LEFT = 46, RIGHT = 14, TOP = 22, BOTTOM = 42; // margins, in pixels
  const BESIDE = 10; // pixels between curves that are one point each, at the same update
  const NARROW = 480; // below this width the chart is lower and has fewer ticks

  function svg(tag, attributes = {}, ...children) {
    const made = document.createElementNS(SPACE, tag);
    Object.entries(attributes).forEach(([name, value]) => made.setAttribute(name, value));
    made.append(...children);
    return made;
  }

  const around = (corners, r) => `M${corners.map(([x, y]) => `${(r * x).toFixed(2)} ${(r * y).toFixed(2)}`).join("L")}Z`;
  const star = (points, inner) => Array.from({ length: 2 * points }, (_, k) => {
    const angle = (Math.PI * k) / points, far = k % 2 ? inner : 1.25;
    return [far * Math.sin(angle), -far * Math.cos(angle)];
  });
  const SHAPES = { // matplotlib's letters
    o: r => `M${-r} 0a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0Z`,
    s: r => around([[-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9]], r),
    "^": r => around([[0, -1.1], [1.1, 0.9], [-1.1, 0.9]], r),
    v: r => around([[0, 1.1], [1.1, -0.9], [-1.1, -0.9]], r),
    D: r => around([[0, -1.2], [1.2, 0], [0, 1.2], [-1.2, 0]], r),
    P: r => around([[-0.4, -1.1], [0.4, -1.1], [0.4, -0.4], [1.1, -0.4], [1.1, 0.4], [0.4, 0.4], [0.4, 1.1], [-0.4, 1.1],
      [-0.4, 0.4], [-1.1, 0.4], [-1.1, -0.4], [-0.4, -0.4]], r),
    X: r => around([[-0.5, -1.1], [0, -0.6], [0.5, -1.1], [1.1, -0.5], [0.6, 0], [1.1, 0.5], [0.5, 1.1], [0, 0.6],
      [-0.5, 1.1], [-1.1, 0.5], [-0.6, 0], [-1.1, -0.5]], r),
    "*": r => around(star(5, 0.5), r),
    h: r => around(star(6, 1.05).filter((_, k) => k % 2 === 0), r),
    "<": r => around([[-1.1, 0], [0.9, -1.1], [0.9, 1.1]], r),
  };

  /** Give an element the two colours of a method; the style sheet takes the one of the theme. */
  function colour(element, { light, dark, own }) {
    element.style.setProperty("--vgf-light", light);
    element.style.setProperty("--vgf-dark", dark);
    element.classList.add("vgf-method", ...(own ? [] : ["vgf-plain"]));
    return element;
  }

  /** A method's look, for lists: its line and mark. */
  function swatch(data, record) {
    const line = svg("line", { x1: 0, x2: 34, y1: 8, y2: 8, class: "vgf-mean" });
    const mark = svg("path", { d: SHAPES[record.shape](5), transform: "translate(17 8)", class: "vgf-dot" });
    const size = { width: 34, height: 16, viewBox: "0 0 34 16" };
    const made = svg("svg", { ...size, "aria-hidden": "true", class: "vgf-swatch" }, line, mark);
    return colour(made, data.methods[record.method]);
  }

  /** Round numbers between two ends, about as many as asked. */
  function ticks(low, high, wanted) {
    const rough = (high - low) / wanted, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 2.5, 5, 10].map(part => part * power).find(one => one >= rough * 0.999);
    const first = Math.floor(low / step + 1e-9);
    return Array.from({ length: Math.ceil(high / step - 1e-9) - first + 1 }, (_, k) => (first + k) * step);
  }

  /** The ends of both axes: of all records and budgets of a view, so that they stay when a choice changes. */
  function ends(view) {
    const points = view.records.flatMap(record => Object.values(record.budgets).flatMap(one => one.curve));
    const scores = points.flatMap(([, mean, , , seeds]) => [mean, ...seeds.filter(score => score !== null)]);
    const longest = Math.max(1, ...points.map(([update]) => update));
    return { low: Math.min(0, ...scores), high: Math.max(vgf.data.worth, ...scores), longest };
  }

  function scales(view, width, height) {
    const { low, high, longest } = ends(view), wide = width >= NARROW;
    const up = ticks(low, high, wide ? 6 : 4), along = ticks(0, longest, wide ? 5 : 3);
    const [bottom, top, end] = [up[0], up.at(-1), Math.max(longest, along.at(-2))];
    return {
      up, along: along.filter(update => update <= end), bottom, top,
      x: update => LEFT + ((width - LEFT - RIGHT) * update) / end,
      y: score => TOP + ((height - TOP - BOTTOM) * (top - score)) / (top - bottom),
    };
  }

  function axes({ up, along, x, y }, measure, width, height) {
    const made = svg("g", { class: "vgf-axes" }), { count } = vgf.views;
    for (const score of up) {
      made.append(svg("line", { x1: LEFT, x2: width - RIGHT, y1: y(score), y2: y(score) }));
      made.append(svg("text", { x: LEFT - 7, y: y(score), dy: "0.35em", "text-anchor": "end" }, count(score)));
    }
    for (const update of along) {
      const anchor = x(update) > width - 30 ? "end" : "middle";
      made.append(svg("text", { x: x(update), y: height - BOTTOM + 17, "text-anchor": anchor }, count(update)));
    }
    made.append(svg("text", { x: (LEFT + width - RIGHT) / 2, y: height - 6, "text-anchor": "middle" }, "updates"));
    made.append(svg("text", { x: 4, y: 11 }, measure));
    return made;
  }

  const path = (points, { x, y }) =>
    `M${points.map(([update, score]) => `${x(update).toFixed(1)} ${y(score).toFixed(1)}`).join("L")}`;

  /** One method: its band, its seeds, its mean and a mark at each evaluated update. `beside`: pixels to the left. */
  function line(data, { record, curve, name }, scale, beside) {
    const made = colour(svg("g"), data.methods[record.method]), known = curve.filter(([, , low]) => low !== null);
    if (curve.length === 1) made.setAttribute("transform", `translate(${-beside} 0)`);
    if (known.length > 1) {
      const lower = known.map(([update, , low]) => [update, low]), upper = known.map(([update, , , high]) => [update, high]);
      const d = `${path([...lower, ...upper.reverse()], scale)}Z`;
      made.append(svg("path", { class: "vgf-band", "clip-path": "url(#vgf-inside)", d }));
    }
    if (curve.length === 1) known.forEach(point => made.append(bar(point, scale)));
    made.append(...record.seeds.map((seed, k) => ofSeed(curve, k, `${name}, seed ${seed}`, scale)));
    made.append(svg("path", { class: "vgf-mean", d: path(curve, scale) }));
    made.append(...curve.map(point => {
      const words = `${name}, ${vgf.views.count(point[0])} updates: ${vgf.views.score(point[1])} ${vgf.views.interval(point)}`;
      const place = `translate(${scale.x(point[0]).toFixed(1)} ${scale.y(point[1]).toFixed(1)})`;
      return svg("path", { class: "vgf-dot", d: SHAPES[record.shape](4.5), transform: place }, svg("title", {}, words));
    }));
    return made;
  }

  /** One seed: a thin line, or a small ring where there is one point. */
  function ofSeed(curve, k, words, scale) {
    const own = curve.filter(point => point[4][k] !== null).map(point => [point[0], point[4][k]]);
    const title = svg("title", {}, words), d = own.length ? path(own, scale) : "";
    if (own.length !== 1) return svg("path", { class: "vgf-seed", d }, title);
    const [[update, score]] = own;
    return svg("circle", { class: "vgf-seed", r: 2.5, cx: scale.x(update), cy: scale.y(score) }, title);
  }

  /** The interval of a curve that is one point: a bar in place of a band. */
  const bar = ([update, , low, high], { x, y }) =>
    svg("line", { class: "vgf-bar", "clip-path": "url(#vgf-inside)", x1: x(update), x2: x(update), y1: y(low), y2: y(high) });

  /** Where a fine-tuning online begins. */
  function online(lines, { x }, height) {
    const begins = [...new Set(lines.map(({ record }) => record.online).filter(update => update !== null))];
    return svg("g", { class: "vgf-online" }, ...begins.sort((a, b) => a - b).flatMap((update, k) => [
      svg("line", { x1: x(update), x2: x(update), y1: TOP, y2: height - BOTTOM }),
      svg("text", { x: x(update) + 4, y: TOP + 10 + 15 * k }, "online from here")]));
  }

  /** Draw the lines into an element; returns the names of those whose interval leaves the chart. */
  function draw(holder, data, view, lines, label) {
    const width = Math.max(280, Math.floor(holder.clientWidth)), height = width < NARROW ? 270 : 340;
    const scale = scales(view, width, height);
    const beside = BESIDE * lines.length; // curves of one point are moved by less than this
    const inside = { x: LEFT, y: TOP, width: width - LEFT + beside, height: height - TOP - BOTTOM };
    const curves = lines.map((one, k) => line(data, one, scale, BESIDE * (lines.length - 1 - k)));
    holder.replaceChildren(svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label },
      svg("defs", {}, svg("clipPath", { id: "vgf-inside" }, svg("rect", inside))),
      axes(scale, view.measure, width, height), online(lines, scale, height), ...curves));
    const leaves = ({ curve }) => curve.some(([, , low, high]) => low !== null && (low < scale.bottom || high > scale.top));
    return lines.filter(leaves).map(({ name }) => name);
  }

  vgf.chart = { draw, swatch };
})((window.vgfBrowse ??= {}));
