// The tables: every method of the view at its last update, to be sorted, and the curves as numbers.
(function (vgf) {
  "use strict";

  const { el, button } = window.vgfExplorer.controls;
  const COLUMNS = { // by the key of `views.KEYS`; the first is the head of its row
    method: "method", budget: "L", score: "score", interval: "interval", seeds: "seeds", episodes: "episodes a seed",
    updates: "updates", minutes: "training minutes",
  };
  const ARROWS = { ascending: " ▲", descending: " ▼", none: "" };

  /** A box that scrolls sideways by itself, with a name, reached by keyboard. */
  const box = (name, ...parts) =>
    el("div", { className: "vgf-scroll", tabIndex: 0, data: { role: "region", "aria-label": name } }, ...parts);

  const recordOf = (data, { study, task }, method) => `${data.repository}/data/results/${study}/${task}/${method}`;

  /** The table of all methods; `sort` is told the column a reader has pressed. */
  function compare(sort) {
    const heads = Object.fromEntries(Object.entries(COLUMNS).map(([key, words]) => {
      const arrow = el("span", { className: "vgf-arrow", data: { "aria-hidden": "true" } });
      const press = button(words, () => sort(key));
      press.append(arrow);
      return [key, { cell: el("th", { scope: "col" }, press), arrow }];
    }));
    const caption = el("caption"), body = el("tbody"), files = el("th", { scope: "col" }, "record");
    const head = el("tr", {}, ...Object.values(heads).map(({ cell }) => cell), files);
    const made = el("table", { className: "vgf-compare" }, caption, el("thead", {}, head), body);
    return { part: box("All methods of the task", made), heads, caption, body };
  }

  /** Fill the table anew. */
  function fill({ heads, caption, body }, data, state) {
    const { view, sort, down } = state, drawn = vgf.views.lines(data, state);
    caption.textContent = `All methods on ${view.short} in ${view.study}, after their last update`;
    for (const [key, { cell, arrow }] of Object.entries(heads)) {
      const order = key === sort ? (down ? "descending" : "ascending") : "none";
      cell.setAttribute("aria-sort", order);
      arrow.textContent = ARROWS[order];
    }
    body.replaceChildren(...vgf.views.sorted(data, state).map(row => {
      const shown = drawn.some(({ record, curve }) => record === row.record && curve === record.budgets[row.steps].curve);
      const name = vgf.views.nameOf(data, row.method), several = Object.keys(row.record.budgets).length > 1;
      const link = el("a", { href: recordOf(data, view, row.method), data: { "aria-label": `record of ${name}` } }, "files");
      const { score, interval, count } = vgf.views, { seeds, updates, minutes } = row.record;
      const cells = [several ? row.steps : "–", score(row.last[1]), interval(row.last), seeds.length, row.episodes, count(updates), minutes.toFixed(1)];
      const head = el("th", { scope: "row" }, vgf.chart.swatch(data, row.record), name);
      return el("tr", { className: shown ? "vgf-shown" : "" }, head, ...cells.map(words => el("td", {}, String(words))), el("td", {}, link));
    }));
  }

  /** The curves that are drawn, as numbers: a row for each point. */
  function points(data, { view }, lines) {
    const seeds = [...new Set(lines.flatMap(({ record }) => record.seeds))].sort((a, b) => a - b);
    const heads = ["method", "updates", "mean", "interval", ...seeds.map(seed => `seed ${seed}`)];
    const { score, interval, count } = vgf.views;
    const rows = lines.flatMap(({ record, curve, name }) => curve.map(point => {
      const own = seeds.map(seed => point[4][record.seeds.indexOf(seed)] ?? null).map(score);
      return el("tr", {}, el("th", { scope: "row" }, name), ...[count(point[0]), score(point[1]), interval(point), ...own].map(words => el("td", {}, words)));
    }));
    return box("The curves as numbers", el("table", {}, el("caption", {}, `Mean and seeds, ${view.measure}`),
      el("thead", {}, el("tr", {}, ...heads.map(words => el("th", { scope: "col" }, words)))), el("tbody", {}, ...rows)));
  }

  vgf.table = { compare, fill, points, COLUMNS };
})((window.vgfBrowse ??= {}));
