// The charts over the number of steps. Every step of the longest walk is known, so a chart is the whole curve over L: what
// lies beyond the budget is faint, and a mark stands where the walk is.
(function (vgf) {
  "use strict";

  const LINES = {
    measured: { colour: "blue", dash: [], shape: "ring" },
    paper: { colour: "orange", dash: [7, 4], shape: "square" },
    ours: { colour: "green", dash: [2, 3], shape: "diamond" },
    promised: { colour: "orange", dash: [7, 4], shape: "square" },
    real: { colour: "blue", dash: [], shape: "ring" },
    bestOfN: { colour: "green", dash: [2, 3], shape: "diamond" },
  };
  const LEFT = 36, RIGHT = 10, TOP = 10, BOTTOM = 26; // margins, in pixels

  /** The step under a point of a chart. */
  const stepAt = (width, longest, x) =>
    Math.min(longest, Math.max(0, Math.round(((x - LEFT) / (width - LEFT - RIGHT)) * longest)));

  /** Draw lines over steps 0 to `longest`; `budget` is L, `at` the step shown, `top` the end of the axis. */
  function draw({ context, width, height }, data, { top, longest, budget, at, lines }) {
    const { ink } = vgf.canvas.colours(data), right = width - RIGHT, bottom = height - BOTTOM;
    const x = step => LEFT + ((right - LEFT) * step) / longest;
    const y = value => bottom - ((bottom - TOP) * Math.min(value, top)) / top;
    axes(context, data, { top, longest, budget, x, y, right, bottom });
    for (const { values, dash, colour } of lines) {
      Object.assign(context, { strokeStyle: vgf.canvas.colours(data)[colour], lineWidth: 2 });
      for (const [part, from, alpha] of [[values.slice(0, budget + 1), 0, 1], [values.slice(budget), budget, 0.35]]) {
        if (part.length < 2) continue;
        context.globalAlpha = alpha;
        context.setLineDash(dash);
        context.beginPath();
        part.forEach((value, k) => (k ? context.lineTo(x(from + k), y(value)) : context.moveTo(x(from), y(value))));
        context.stroke();
      }
      context.globalAlpha = 1;
      context.setLineDash([]);
    }
    for (const { values, colour, shape } of lines) {
      const step = Math.min(at, values.length - 1), look = { fill: vgf.canvas.colours(data)[colour], stroke: ink };
      if (values.length) vgf.canvas.mark(context, [shape, 4.5, look], x(step), y(values[step]));
    }
  }

  function axes(context, data, { top, longest, budget, x, y, right, bottom }) {
    const { ink, muted, grid } = vgf.canvas.colours(data);
    Object.assign(context, { font: vgf.canvas.FONT, lineWidth: 1, strokeStyle: grid, fillStyle: muted });
    Object.assign(context, { textBaseline: "middle", textAlign: "right" });
    for (let k = 0; k <= 4; k++) {
      context.beginPath();
      context.moveTo(LEFT, y((top * k) / 4));
      context.lineTo(right, y((top * k) / 4));
      context.stroke();
      if (k % 2 === 0) context.fillText(String((top * k) / 4), LEFT - 6, y((top * k) / 4));
    }
    Object.assign(context, { textBaseline: "top", textAlign: "center" });
    for (let step = 0; step <= longest; step += longest / 4) {
      if (Math.abs(step - budget) > longest / 12) context.fillText(String(step), x(step), bottom + 8);
    }
    context.strokeStyle = context.fillStyle = ink;
    context.beginPath();
    context.moveTo(x(budget), TOP);
    context.lineTo(x(budget), bottom + 4);
    context.stroke();
    const [align, where] = budget > 0.9 * longest ? ["right", right + 4] : budget < 0.1 * longest ? ["left", LEFT - 4]
      : ["center", x(budget)];
    context.textAlign = align;
    context.fillText(`L = ${budget}`, where, bottom + 8);
  }

  /** A line's look in a chart's legend. */
  function swatch(canvas, data, name) {
    const { context, width, height } = vgf.canvas.surface(canvas), look = vgf.canvas.colours(data);
    const { dash, colour, shape } = LINES[name];
    Object.assign(context, { strokeStyle: look[colour], lineWidth: 2 });
    context.setLineDash(dash);
    context.beginPath();
    context.moveTo(0, height / 2);
    context.lineTo(width, height / 2);
    context.stroke();
    context.setLineDash([]);
    vgf.canvas.mark(context, [shape, 4, { fill: look[colour], stroke: look.ink }], width / 2, height / 2);
  }

  /** The end of the axis of values: it grows by halves, so that it seldom moves. */
  const valueTop = measures => Math.ceil(2 * measures.reduce((most, { promised }) => Math.max(most, promised), 1)) / 2;

  /** The curve over L: promised and true value of the action executed after every number of steps. */
  function values(surface, walk, at) {
    const { data, settings, measures } = walk, column = name => measures.map(measure => measure[name]);
    draw(surface, data, {
      top: valueTop(measures), longest: data.ranges.steps.high, budget: settings.steps, at, lines: [
        { values: measures.map(() => measures[0].real), ...LINES.bestOfN },
        { values: column("promised"), ...LINES.promised },
        { values: column("real"), ...LINES.real }],
    });
  }

  /** The squared MMD to the sample, and the bounds there are. */
  function mmd(surface, walk, at) {
    const { data, settings, measures } = walk, column = name => measures.map(measure => measure[name]);
    draw(surface, data, {
      top: 2, longest: data.ranges.steps.high, budget: settings.steps, at, lines: [
        { values: measures[0].paperApplies ? column("paper") : [], ...LINES.paper },
        { values: column("ours"), ...LINES.ours },
        { values: column("mmd2").slice(0, walk.compared), ...LINES.measured }],
    });
  }

  vgf.chart = { values, mmd, swatch, valueTop, stepAt };
})((window.vgfExplorer ??= {}));
