// The page: it holds the state, takes changes to it, shows it and keeps the address.
(function (vgf) {
  "use strict";

  const LINK = "Link to this view";
  const { el, button, write } = window.vgfExplorer.controls;

  function build(root, data) {
    const page = { data, touched: false, address: "", state: vgf.views.begin(data, first(data)) };
    const act = actions(page);
    page.choices = vgf.parts.choices(data, act);
    page.table = vgf.table.compare(data, act.sort);
    Object.assign(page, {
      note: el("p", { className: "vgf-note", data: { role: "status" } }),
      about: el("p", { className: "vgf-about" }), silent: el("p", { className: "vgf-silent", hidden: true }),
      chart: el("div", { className: "vgf-curves" }), key: el("ul", { className: "vgf-key" }),
      remark: el("p", { className: "vgf-hint" }), files: el("div", { className: "vgf-files" }),
      summary: el("p", { className: "vgf-aside", data: { role: "status" } }),
      shared: el("span", { data: { role: "status" } }),
      link: el("input", { className: "vgf-link", readOnly: true, hidden: true, data: { "aria-label": LINK } }),
      numbers: el("details", { className: "vgf-numbers" }, el("summary", {}, "The curves as numbers"), el("div")),
    });
    page.numbers.addEventListener("toggle", () => numbers(page));
    const share = el("div", { className: "vgf-buttons" }, button("Copy link", () => copy(page)), page.link, page.shared);
    root.append(...page.choices.parts, page.note, page.about, page.silent, page.chart, page.key, page.remark, page.numbers,
      page.table.part, page.files, share, page.summary);
    page.act = act;
    if (!fromAddress(page)) reflect(page);
    new ResizeObserver(() => page.chart.clientWidth !== page.width && draw(page)).observe(page.chart);
    window.addEventListener("hashchange", () => location.hash !== page.address && fromAddress(page));
    return { get state() { return page.state; } };
  }

  /** The view a reader meets. */
  const first = data => vgf.views.firstOf(data, Object.keys(data.suites)[0]);

  /** What the controls do. */
  function actions(page) {
    const { data } = page, state = () => page.state;
    const go = view => touch(page, vgf.views.change(data, state(), view));
    return {
      set: part => touch(page, { ...state(), ...part }),
      suite: suite => go(vgf.views.firstOf(data, suite)),
      task(task) {
        const views = vgf.views.ofTask(data, task);
        go(views.find(view => view.study === state().view.study) ?? views[0]);
      },
      study: study => go(vgf.views.ofTask(data, state().view.task).find(view => view.study === study)),
      methods: all => touch(page, { ...state(), methods: all ? state().view.records.map(({ method }) => method) : [] }),
      method(method, on) {
        const kept = state().view.records.map(record => record.method)
          .filter(one => (one === method ? on : state().methods.includes(one)));
        touch(page, { ...state(), methods: kept });
      },
      sort(key) { // names and costs from the least, scores from the highest; pressed again, the other way
        const usual = key === "score" || key === "interval", again = state().sort === key;
        touch(page, { ...state(), sort: key, down: again ? !state().down : usual });
      },
    };
  }

  /** A change the reader made: it goes into the address. */
  function touch(page, state) {
    page.touched = true;
    page.link.hidden = true;
    [page.note, page.shared].forEach(element => write(element, ""));
    page.state = state;
    reflect(page);
    put(page);
  }

  const put = page => window.vgfExplorer.address.put((page.address = vgf.address.write(page.state)));

  /** Take the state from the address, if it holds one. */
  function fromAddress(page) {
    const found = vgf.address.read(location.hash, page.data);
    if (!found) return false;
    page.state = found.state;
    const harm = `The link holds ${found.faults.join(", ")}, which this page cannot use; the usual choice stands instead.`;
    write(page.note, found.faults.length ? harm : "");
    reflect(page);
    return true;
  }

  /** Show the state. */
  function reflect(page) {
    const { data, state, state: { view } } = page, known = data.studies[view.study];
    vgf.parts.show(page.choices, data, state, page.act);
    write(page.about, `${view.study}: ${known.about}`);
    page.silent.hidden = view.silent === null;
    write(page.silent, view.silent === null ? "" : nobody(data, view));
    vgf.table.fill(page.table, data, state);
    page.files.replaceChildren(...vgf.parts.files(data, view));
    draw(page);
    numbers(page);
  }

  function nobody(data, { silent: [method, steps, mean], records }) {
    const record = records.find(one => one.method === method), several = Object.keys(record.budgets).length > 1;
    const best = `${vgf.views.nameOf(data, method)}${several ? `, L = ${steps}` : ""}`;
    return `Nobody scores here: no method reaches ${data.worth} points, so this task says nothing of their order. ` +
      `The highest: ${best}, ${vgf.views.score(mean)}.`;
  }

  /** Draw the curves and say what they show. */
  function draw(page) {
    const { data, state, state: { view } } = page, lines = vgf.views.lines(data, state);
    page.width = page.chart.clientWidth;
    const best = lines.reduce((most, one) => (most && most.curve.at(-1)[1] >= one.curve.at(-1)[1] ? most : one), null);
    const { score } = vgf.views, last = "Highest after the last update";
    const highest = best ? `${last}: ${best.name}, ${score(best.curve.at(-1)[1])}.` : "No method is drawn.";
    const drawn = `${lines.length} of ${view.records.length} method${view.records.length > 1 ? "s" : ""}`;
    const label = `Learning curves on ${view.short} in ${view.study}, ${view.measure}: ${drawn}. ${highest}`;
    const cut = vgf.chart.draw(page.chart, data, view, lines, label);
    page.key.replaceChildren(...vgf.parts.key(data, lines));
    write(page.remark, remarks(state, lines, cut).join(" "));
    write(page.summary, label);
  }

  function remarks({ view, methods, budget }, lines, cut) {
    const said = [], missing = methods.length - lines.length;
    if (!methods.length) said.push("Choose a method to draw.");
    if (missing) said.push(`${missing} of the chosen methods ${missing > 1 ? "were" : "was"} not evaluated at L = ${budget}.`);
    const one = lines.filter(({ curve, several }) => several && curve.length === 1);
    if (one.length) said.push(`At L = ${budget} there is one evaluation, after the last update: a mark with a bar for its interval.`);
    if (lines.some(({ record }) => record.seeds.length === 1)) said.push("One seed has no interval.");
    if (cut.length) said.push(`Intervals wider than the chart: ${cut.join("; ")}. Their ends are in the table.`);
    return said;
  }

  /** Fill the numbers of the curves, where they are open. */
  function numbers(page) {
    if (!page.numbers.open) return;
    const lines = vgf.views.lines(page.data, page.state);
    page.numbers.lastElementChild.replaceChildren(vgf.table.points(page.data, page.state, lines));
  }

  async function copy(page) {
    put(page);
    try {
      await navigator.clipboard.writeText(location.href);
      write(page.shared, "Link copied.");
    } catch {
      Object.assign(page.link, { value: location.href, hidden: false });
      page.link.select();
      write(page.shared, "Copy the link from this field:");
    }
  }

  const root = document.getElementById("vgf-browse"), source = document.getElementById("vgf-browse-data");
  if (root && source) {
    vgf.data = JSON.parse(source.textContent);
    vgf.page = build(root, vgf.data);
  }
})((window.vgfBrowse ??= {}));
