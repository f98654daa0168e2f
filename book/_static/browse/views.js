// What there is to choose and to show. A view is one task in one study; a state is { view, methods, budget, sort, down }.
(function (vgf) {
  "use strict";

  const FEW = 6; // up to so many methods all are drawn at first

  /** A number as tables have it: one digit, thousands apart. */
  const score = value => (value === null ? "–" : value.toFixed(1));
  const count = value => value.toLocaleString("en");
  const interval = ([, , low, high]) => (low === null ? "–" : `[${score(low)}, ${score(high)}]`);
  const nameOf = (data, method) => data.methods[method].name;

  /** The names of tasks of a suite, those on which nobody scores in any study apart. */
  function tasks(data, suite) {
    const found = new Map();
    for (const view of data.views.filter(view => view.suite === suite)) {
      const known = found.get(view.task) ?? { task: view.task, short: view.short, silent: true };
      found.set(view.task, { ...known, silent: known.silent && view.silent !== null });
    }
    return [...found.values()].sort((a, b) => a.silent - b.silent || a.short.localeCompare(b.short, "en"));
  }

  /** The views of a task, with most methods first and those in which nobody scores last: the data are in this order. */
  const ofTask = (data, task) => data.views.filter(view => view.task === task);

  /** The view a suite begins with: of those in which a method scores the one with most methods. */
  function firstOf(data, suite) {
    const every = data.views.filter(view => view.suite === suite), telling = every.filter(view => view.silent === null);
    const [first, ...others] = telling.length ? telling : every;
    return others.reduce((most, view) => (view.records.length > most.records.length ? view : most), first);
  }

  const budgets = view =>
    [...new Set(view.records.flatMap(record => Object.keys(record.budgets).map(Number)))].sort((a, b) => a - b);

  /** The methods drawn at first: all of a few, else those that have a colour of their own. */
  function usual(data, view) {
    const every = view.records.map(record => record.method), own = every.filter(method => data.methods[method].own);
    return every.length <= FEW || !own.length ? every : own;
  }

  const begin = (data, view) =>
    ({ view, methods: usual(data, view), budget: view.budget, sort: "score", down: true });

  /** Another view, with as much of the state as it has. */
  function change(data, state, view) {
    const untouched = String(state.methods) === String(usual(data, state.view));
    const kept = view.records.map(record => record.method).filter(method => state.methods.includes(method));
    const methods = untouched || !kept.length ? usual(data, view) : kept;
    return { ...state, view, methods, budget: budgets(view).includes(state.budget) ? state.budget : view.budget };
  }

  /** The rows of the table: every method at every budget, of its last update. */
  function rows(view) {
    return view.records.flatMap(record => Object.entries(record.budgets).map(([steps, { episodes, curve }]) => {
      const last = curve.at(-1);
      return { record, steps: Number(steps), episodes, last, method: record.method };
    })).filter(({ record, last }) => last[0] === record.updates);
  }

  const KEYS = { // what a column is sorted by
    method: (data, row) => nameOf(data, row.method).toLowerCase(),
    budget: (data, row) => row.steps,
    score: (data, row) => row.last[1],
    interval: (data, row) => row.last[2] ?? -Infinity,
    seeds: (data, row) => row.record.seeds.length,
    episodes: (data, row) => row.episodes,
    updates: (data, row) => row.record.updates,
    minutes: (data, row) => row.record.minutes,
  };

  /** The rows in the order asked for; equal ones by score, then as the methods stand in every list. */
  function sorted(data, { view, sort, down }) {
    const key = KEYS[sort], way = down ? -1 : 1;
    const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
    return rows(view).sort((a, b) => way * compare(key(data, a), key(data, b)) || compare(b.last[1], a.last[1]));
  }

  /** The curves to draw: of each chosen method the one at the budget, or its only one. */
  function lines(data, { view, methods, budget }) {
    return view.records.filter(record => methods.includes(record.method)).flatMap(record => {
      const known = Object.keys(record.budgets), steps = known.length === 1 ? known[0] : String(budget);
      if (!record.budgets[steps]) return [];
      const several = known.length > 1, name = nameOf(data, record.method);
      return [{ record, curve: record.budgets[steps].curve, several, name: several ? `${name}, L = ${steps}` : name }];
    });
  }

  vgf.views = { score, count, interval, nameOf, tasks, ofTask, firstOf, budgets, usual, begin, change, sorted, lines, KEYS };
})((window.vgfBrowse ??= {}));
