// The tables: every method of the view at its last update, to be sorted, and the curves as numbers.
(function (vgf) {
  "use strict";

  const { el, button } = window.vgfExplorer.controls;
  const COLUMNS = { // by the key of `views.KEYS`; the first is the head of its row
    method: "method", budget: "L", score: "score", interval: "interval", seeds: "seeds", episodes: "episodes a seed",
    updates: "updates", minutes: "training minutes",
  };
  const ARROWS = { ascending: "▲", descending: "▼", none: "" };

  /** A table with its title, in a box that scrolls sideways by itself and is reached by keyboard. */
  function titled(title, table) {
    const named = { "aria-labelledby": title.id };
    Object.entries(named).forEach(([name, value]) => table.setAttribute(name, value));
    return el("div", {}, title, el("div", { className: "vgf-scroll", tabIndex: 0, data: { role: "region", ...named } }, table));
  }

  const recordOf = (data, { study, task }, method) => `${data.repository}/data/results/${study}/${task}/${method}`;

  /** The table of all methods; `sort` is told the column a reader has pressed. */
  function compare(data, sort) {
    const columns = { ...COLUMNS, interval: `${data.level} interval` };
    const heads = Object.fromEntries(Object.entries(columns).map(([key, words]) => {
      const arrow = el("span", { className: "vgf-arrow", data: { "aria-hidden": "true" } });
      const press = button(words, () => sort(key));
      press.append(arrow);
      return [key, { cell: el("th", { scope: "col" }, press), arrow }];
    }));
    const caption = el("p", { className: "vgf-head", id: "vgf-compare" }), body = el("tbody");
    const head = el("tr", {}, ...Object.values(heads).map(({ cell }) => cell), el("th", { scope: "col" }, "record"));
    const made = el("table", { className: "vgf-compare" }, el("thead", {}, head), body);
    return { part: titled(caption, made), heads, caption, body };
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
      const link = el("a", { href: recordOf(data, view, row.method), data: { "aria-label": `files of ${name}` } }, "files");
      const { score, interval, count } = vgf.views, { seeds, updates, minutes } = row.record;
      const reached = [several ? row.steps : "–", score(row.last[1]), interval(row.last)];
      const cells = [...reached, seeds.length, row.episodes, count(updates), minutes.toFixed(1)];
      const head = el("th", { scope: "row" }, vgf.chart.swatch(data, row.record), name);
      const tds = [...cells.map(String), link].map(inside => el("td", {}, inside));
      return el("tr", { className: shown ? "vgf-shown" : "" }, head, ...tds);
    }));
  }

  /** The curves that are drawn, as numbers: a row for each point. */
  function points(data, { view }, lines) {
    const seeds = [...new Set(lines.flatMap(({ record }) => record.seeds))].sort((a, b) => a - b);
    const heads = ["method", "updates", "mean", `${data.level} interval`, ...seeds.map(seed => `seed ${seed}`)];
    const { score, interval, count } = vgf.views;
    const rows = lines.flatMap(({ record, curve, name }) => curve.map(point => {
      const own = seeds.map(seed => point[4][record.seeds.indexOf(seed)] ?? null).map(score);
      const cells = [count(point[0]), score(point[1]), interval(point), ...own].map(words => el("td", {}, words));
      return el("tr", {}, el("th", { scope: "row" }, name), ...cells);
    }));
    const title = el("p", { className: "vgf-head", id: "vgf-points" }, `Mean and seeds, ${view.measure}`);
    return titled(title, el("table", {}, el("thead", {}, el("tr", {}, ...heads.map(words => el("th", { scope: "col" }, words)))), el("tbody", {}, ...rows)));
  }

  vgf.table = { compare, fill, points, COLUMNS };
})((window.vgfBrowse ??= {}));
