// The state in the page's address, so that a view can be linked. What an address holds is checked like any other input.
(function (vgf) {
  "use strict";

  /** Write a state: `#study=d4rl.cpu&task=...&methods=vgf,fql&L=3&sort=score&order=down`. */
  function write({ view, methods, budget, sort, down }) {
    const order = down ? "down" : "up";
    return `#study=${view.study}&task=${view.task}&methods=${methods.join(",")}&L=${budget}&sort=${sort}&order=${order}`;
  }

  /** Read an address; null if it says nothing of a state. `faults` names what could not be used. */
  function read(hash, data) {
    const pairs = window.vgfExplorer.address.plain(hash).replace(/^#/, "").split("&").filter(part => part.includes("="))
      .map(part => [part.slice(0, part.indexOf("=")), part.slice(part.indexOf("=") + 1)]);
    if (!pairs.length) return null;
    const said = new Map(pairs), faults = [];
    const view = place(data, said.get("study"), said.get("task"), faults), state = vgf.views.begin(data, view);
    const reader = readers(view, state);
    for (const [key, text] of said) {
      const known = Object.hasOwn(reader, key);
      if (!known || !reader[key](text)) faults.push(`${key}=${text}`);
    }
    return { state, faults: [...new Set(faults)].map(fault => fault.slice(0, 60)) };
  }

  /** The view a study and a task name; one of them alone is enough. */
  function place(data, study, task, faults) {
    const fits = view => (study === undefined || view.study === study) && (task === undefined || view.task === task);
    const found = data.views.filter(fits);
    if (!found.length) faults.push(...[["study", study], ["task", task]].filter(([, text]) => text !== undefined)
      .map(([key, text]) => `${key}=${text}`));
    const usual = vgf.views.firstOf(data, Object.keys(data.suites)[0]);
    return found.find(view => view === usual) ?? found.find(view => view.silent === null) ?? found[0] ?? usual;
  }

  /** For every key, what takes its text; each returns false if it cannot be used. */
  function readers(view, state) {
    const every = view.records.map(record => record.method), { KEYS, budgets } = vgf.views;
    const option = (name, meanings) => text => Object.hasOwn(meanings, text) && ((state[name] = meanings[text]), true);
    return {
      study: () => true,
      task: () => true,
      methods(text) {
        const asked = text ? text.split(",") : [];
        state.methods = every.filter(method => asked.includes(method));
        if (asked.length && !state.methods.length) state.methods = every;
        return asked.every(method => every.includes(method));
      },
      L: option("budget", Object.fromEntries(budgets(view).map(steps => [steps, steps]))),
      sort: option("sort", Object.fromEntries(Object.keys(KEYS).map(key => [key, key]))),
      order: option("down", { down: true, up: false }),
    };
  }

  vgf.address = { write, read };
})((window.vgfBrowse ??= {}));
