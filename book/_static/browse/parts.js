// The parts of the page: what can be chosen, and what is said of a choice. Everything is a real form control with a label.
(function (vgf) {
  "use strict";

  const { el, button } = window.vgfExplorer.controls;
  const GROUPS = { false: "A method scores", true: "No method scores" };

  /** A list to choose from, with its label; `show` fills and sets it. */
  function select(id, words, change) {
    const list = el("select", { id });
    list.addEventListener("change", () => change(list.value));
    return {
      part: el("div", { className: "vgf-field" }, el("label", { htmlFor: id }, words), list),
      show(options, value) {
        list.replaceChildren(...options);
        list.value = value;
      },
    };
  }

  const option = (value, words = value) => el("option", { value }, String(words));

  /** The tasks of a suite, those on which nobody scores at the end. */
  function taskOptions(data, suite) {
    const every = vgf.views.tasks(data, suite);
    return [false, true].map(silent => every.filter(task => task.silent === silent)).filter(tasks => tasks.length)
      .map(tasks => el("optgroup", { label: GROUPS[tasks[0].silent] }, ...tasks.map(({ task, short }) => option(task, short))));
  }

  function studyWords({ study, records, silent }) {
    return `${study}: ${records.length} method${records.length > 1 ? "s" : ""}${silent ? ", nobody scores" : ""}`;
  }

  /** The four lists, and the methods as boxes to tick. */
  function choices(data, act) {
    const lists = {
      suite: select("vgf-suite", "Suite", act.suite),
      task: select("vgf-task", "Task", act.task),
      study: select("vgf-study", "Study", act.study),
      budget: select("vgf-budget", "Test budget L", text => act.set({ budget: Number(text) })),
    };
    const boxes = el("div", { className: "vgf-boxes" });
    const legend = el("legend", {}, "Methods drawn");
    const all = [button("All", () => act.methods(true)), button("None", () => act.methods(false))];
    const methods = el("fieldset", { className: "vgf-methods" }, legend, boxes, el("div", { className: "vgf-buttons" }, ...all));
    const fields = el("div", { className: "vgf-fields" }, ...Object.values(lists).map(({ part }) => part));
    return { parts: [fields, methods], lists, boxes, shown: null };
  }

  /** Show the state in the lists and boxes. Boxes are made anew for another view only, so that focus stays. */
  function show(choices, data, { view, methods, budget }, act) {
    const { lists, boxes } = choices, { suites } = data;
    lists.suite.show(Object.entries(suites).map(([suite, words]) => option(suite, words)), view.suite);
    lists.task.show(taskOptions(data, view.suite), view.task);
    lists.study.show(vgf.views.ofTask(data, view.task).map(one => option(one.study, studyWords(one))), view.study);
    lists.budget.show(vgf.views.budgets(view).map(steps => option(steps, steps || "0, no step")), String(budget));
    if (choices.shown !== view) {
      choices.shown = view;
      boxes.replaceChildren(...view.records.map(record => {
        const input = el("input", { type: "checkbox", value: record.method });
        input.addEventListener("change", () => act.method(record.method, input.checked));
        return el("label", { title: record.differs }, input, vgf.chart.swatch(data, record), vgf.views.nameOf(data, record.method));
      }));
    }
    boxes.querySelectorAll("input").forEach(input => (input.checked = methods.includes(input.value)));
  }

  /** The key below the chart: score and interval of every line after the last update, the highest first. */
  function key(data, lines) {
    const { score, interval } = vgf.views, ordered = [...lines].sort((a, b) => b.curve.at(-1)[1] - a.curve.at(-1)[1]);
    return ordered.map(({ record, curve, name }) => {
      const last = curve.at(-1), differs = record.differs ? [el("small", {}, record.differs)] : [];
      const number = el("span", { className: "vgf-number" }, `${score(last[1])} ${last[2] === null ? "(one seed)" : interval(last)}`);
      return el("li", {}, vgf.chart.swatch(data, record), el("span", {}, name), number, ...differs);
    });
  }

  /** Where what is shown comes from: the study's table, its choices, the index of records, the chapters. */
  function files(data, { study }) {
    const known = data.studies[study], link = (href, words, download) => el("a", download ? { href, download: "" } : { href }, words);
    const table = known.table ? [link(known.table, `table of ${study} (CSV)`, true), ", "] : [];
    const shown = known.chapters.flatMap(([address, title], k) => [k ? ", " : "", link(address, title)]);
    const index = `${data.index}#${study.replace(".", "-").replaceAll("_", "-")}`;
    return [
      el("p", {}, "Files: ", ...table, link(known.choices, "its choices (YAML)", true), ", ", link(index, "its records in the index"), "."),
      el("p", {}, ...(shown.length ? ["Shown in: ", ...shown, "."] : ["No chapter shows it yet."])),
    ];
  }

  vgf.parts = { choices, show, key, files };
})((window.vgfBrowse ??= {}));
