// The layout of the page: map and values side by side, what to see or to do below them, then controls and numbers.
(function (vgf) {
  "use strict";

  const { el, button, slider, choice, toggle, table, legend, bars, write } = vgf.controls;
  const drawn = (className, label, more = {}) =>
    el("canvas", { className, data: { role: "img", "aria-label": label }, ...more });

  const MARKS = [["where it began", "start"], ["where it is", "now"], ["best-of-N", "bestOfN"], ["executed", "chosen"],
    ["true top", "top"], ["false top", "falseTop"]];
  const DISTANCES = [["squared MMD", "mmd2"], ["the paper's bound", "paper"], ["our bound", "ours"],
    ["ours with the first bandwidth", "naive"]];
  const VALUES = [["promised", "promised0", "promised"], ["truly worth", "real0", "real"],
    ["best in the set", "best0", "best"]];
  const HINT = "Click a particle to see its two forces, or an empty place to drop one. Drag particles and hills.";
  const KEYS = "On the map, space plays, the left and right arrow step, and shift with an arrow moves what is chosen.";

  /** Chips in a row: one of them is pressed, or none. */
  function chips(className, label, entries, press) {
    const buttons = entries.map(entry => button(entry.name, () => press(entry), { "aria-pressed": "false" }));
    return {
      buttons,
      part: el("div", { className: `vgf-chips ${className}`, data: { role: "group", "aria-label": label } },
        el("span", {}, label), ...buttons),
      show: chosen => buttons.forEach((one, k) => one.setAttribute("aria-pressed", String(entries[k] === chosen))),
    };
  }

  /** The sliders and switches, each with the name of the setting it sets. */
  function settingParts(data, act) {
    const set = name => value => act.set({ [name]: value });
    const made = {};
    for (const [name, range] of Object.entries(data.ranges)) made[name] = slider(`vgf-${name}`, range, set(name));
    made.repulsion = toggle("Repulsion between particles", set("repulsion"));
    made.optimizer = choice("vgf-optimizer", "Step rule", [["none", "fixed"], ["adam", "Adam"]], set("optimizer"));
    made.bandwidth = choice("vgf-bandwidth", "Bandwidth", [["fixed", "fixed σ"], ["median", "median"]], set("bandwidth"));
    return made;
  }

  /** What can be placed by hand, for those who do not drag: a thing, its place, and buttons to add and remove. */
  function placing(data, act) {
    const [low, high] = data.box, ids = { thing: "vgf-thing", x: "vgf-x", y: "vgf-y" };
    const thing = el("select", { id: ids.thing });
    thing.addEventListener("change", () => act.chooseNamed(thing.value));
    const [x, y] = ["x", "y"].map((name, axis) => {
      const input = el("input", { type: "number", id: ids[name], min: low, max: high, step: 0.01 });
      input.addEventListener("change", () => act.putChosen(axis, input.valueAsNumber));
      return input;
    });
    const remove = button("Remove", () => act.remove()), back = button("Put all back", () => act.putBack());
    const next = button("Next particle", () => act.nextParticle());
    const forces = el("p", { className: "vgf-forces" });
    const part = el("fieldset", { className: "vgf-placing" }, el("legend", {}, "By hand"),
      el("div", { className: "vgf-fields" },
        el("label", { htmlFor: ids.thing }, "Chosen"), thing, el("label", {}, "x", x), el("label", {}, "y", y)),
      forces,
      el("div", { className: "vgf-buttons" }, next, button("Drop a particle", () => act.drop([0, 0])),
        button("Add a false hill", () => act.addHill()), remove, back),
      el("p", { className: "vgf-hint" }, KEYS));
    return { part, thing, x, y, remove, back, forces };
  }

  /** Build everything inside `root`; `act` is what the controls call. */
  function view(root, data, act) {
    const keys = [], cells = {}, { canvas: { legend: mark }, chart } = vgf;
    const map = drawn("vgf-map", "Map of the particles", { tabIndex: 0 }), charts = {
      values: drawn("vgf-chart", "Chart of the executed action over steps"),
      mmd: drawn("vgf-chart", "Chart of squared MMD over steps"),
    };
    const presets = chips("vgf-presets", "Watch", data.presets, act.preset);
    const tasks = chips("vgf-tasks", "Solve", vgf.tasks, act.task);
    const settings = settingParts(data, act), hand = placing(data, act), values = bars();
    const see = el("p", { className: "vgf-see" }), verdict = el("p", { className: "vgf-verdict" });
    const help = button("Show a solution", act.help), position = el("span", { className: "vgf-position" });
    const play = button("Play", act.playOrPause, { class: "vgf-play" });
    const [note, shared] = ["vgf-note", "vgf-shared"].map(className => el("p", { className, data: { role: "status" } }));
    const summary = el("p", { className: "vgf-summary", data: { "aria-live": "polite" } });
    const banner = el("div", { className: "vgf-banner", data: { role: "status" } }, see, help);
    const link = el("input", { className: "vgf-link", readOnly: true, hidden: true });
    link.setAttribute("aria-label", "Link to this state");
    const share = [button("Copy link", act.copyLink), button("Save picture (SVG)", act.save), shared, link];

    const lines = entries => legend(keys, "vgf-line", entries, (swatch, name) => chart.swatch(swatch, data, name));
    root.replaceChildren(
      el("div", {},
        presets.part,
        el("div", { className: "vgf-stage" },
          el("div", { className: "vgf-view" }, map),
          el("div", { className: "vgf-side" },
            el("p", { className: "vgf-head" }, "The action it executes", position), values.part, verdict,
            el("p", { className: "vgf-head" }, "If the walk stops at step L"), charts.values, settings.steps.part,
            el("div", { className: "vgf-buttons", data: { role: "group", "aria-label": "Walk" } },
              play, button("Step", act.stepForward), button("Reset", act.reset)))),
        legend(keys, "vgf-mark", MARKS, (swatch, name) => mark(swatch, data, name)),
        el("p", { className: "vgf-hint" }, HINT), note,
        banner, tasks.part,
        el("div", { className: "vgf-panel" },
          el("div", {}, ...["step_size", "temperature", "particles", "error"].map(name => settings[name].part)),
          el("div", {}, ...["repulsion", "optimizer", "bandwidth", "sigma"].map(name => settings[name].part),
            el("div", { className: "vgf-buttons" }, button("Another sample", act.nextSample)))),
        hand.part,
        el("div", { className: "vgf-buttons vgf-share" }, ...share)),
      summary,
      el("div", { className: "vgf-results" },
        el("div", {}, table(cells, "Distance from the sample", [], DISTANCES), charts.mmd,
          lines([["squared MMD", "measured"], ["the paper's bound", "paper"], ["our bound", "ours"]])),
        el("div", {}, table(cells, "Executed action", ["best-of-N", "now"], VALUES),
          lines([["promised", "promised"], ["truly worth", "real"], ["best-of-N, truly", "bestOfN"]]))),
    );
    return {
      map, charts, presets, tasks, settings, hand, values, see, help, banner, verdict, position, play,
      note, shared, summary, link, keys, cells,
    };
  }

  /** Show what is chosen, and where it began. */
  function showHand(hand, data, state) {
    const { chosen, edits, settings } = state, { wrong } = vgf.state.scene(data, settings.error, edits);
    const entries = [["", "nothing"], ["executed", "the executed particle"], ["hill 0", "the lower hill"],
      ["hill 1", "the higher hill"]];
    wrong.forEach((_, k) => entries.push([`wrong ${k}`, wrong.length > 1 ? `false hill ${k + 1}` : "the false hill"]));
    if (chosen?.kind === "particle") entries.push([`particle ${chosen.index}`, `particle ${chosen.index + 1}`]);
    if (hand.listed !== entries.join()) { // new options make the browser lay out the page, in every frame of a drag
      hand.thing.replaceChildren(...entries.map(([value, words]) => el("option", { value }, words)));
      hand.listed = entries.join();
    }
    hand.thing.value = chosen ? `${chosen.kind} ${chosen.index}` : "";
    const place = chosen && vgf.state.whereIs(data, state, chosen);
    [hand.x, hand.y].forEach((input, k) => {
      Object.assign(input, { disabled: !place, value: place ? Math.round(100 * place[k]) / 100 || 0 : "" });
    });
    hand.remove.disabled = !chosen || !vgf.state.remove(data, settings, edits, chosen);
    hand.back.disabled = vgf.state.isUntouched(edits);
  }

  /** Write the numbers of a step. */
  function numbers({ cells, values, verdict, position, play }, walk, step, playing) {
    const first = walk.measures[0], now = walk.measures[step], { words } = vgf, { settings } = walk;
    const said = {
      mmd2: now.mmd2 === null ? "…" : words.mmd(now.mmd2), paper: words.paperBound(now, settings),
      ours: words.ourBound(now), naive: words.naiveBound(now) ?? "",
      promised0: words.reward(first.promised), promised: words.reward(now.promised),
      real0: words.reward(first.real), real: words.reward(now.real),
      best0: words.reward(first.bestReal), best: words.reward(now.bestReal),
    };
    Object.entries(said).forEach(([name, value]) => write(cells[name], value));
    cells.naive.parentElement.hidden = !said.naive;
    values.show(walk, step);
    write(verdict, words.verdict(walk.measures, step));
    write(position, `step ${step} of ${settings.steps}`);
    write(play, playing ? "Pause" : vgf.still.matches ? "To the end" : "Play");
  }

  /** Put the state into words, once it has come to rest. */
  function tell({ summary, map, charts }, walk, step) {
    const { words } = vgf, now = walk.measures[step], { settings } = walk;
    write(summary, words.summary(walk, step));
    map.setAttribute("aria-label", words.mapText(walk, step));
    charts.mmd.setAttribute("aria-label", `Chart over steps. At step ${step} squared MMD is ${words.mmd(now.mmd2)}; ` +
      `the paper's bound: ${words.paperBound(now, settings)}; our bound: ${words.ourBound(now)}.`);
    const [promised, real, bestOfN] = [now.promised, now.real, walk.measures[0].real].map(words.reward);
    charts.values.setAttribute("aria-label", `Chart over steps. At step ${step} the executed action is promised ` +
      `${promised} and worth ${real}; best-of-N's is worth ${bestOfN}.`);
  }

  vgf.view = { view, numbers, tell, showHand };
})((window.vgfExplorer ??= {}));
