// The explorer's page: it holds the state { settings, edits, chosen, task }, takes changes to it and shows it.
(function (vgf) {
  "use strict";

  const FIRST = "rise"; // the preset a reader meets
  const OWN = "Your own setting.";
  const NO_FORCES = "Choose a particle to see its forces.";

  /** Build the explorer in its place; returns what a test may look at. */
  function build(root, data) {
    const page = { data, cache: {}, touched: false, helped: false, right: false, solved: new Set(), address: "" };
    page.state = { ...vgf.state.fromPreset(data, FIRST), chosen: null, task: null };
    page.choose = chosen => {
      page.touched = true;
      Object.assign(page, { right: false, state: { ...page.state, chosen } });
      reflect(page);
      page.player.wake();
    };
    page.reflect = () => reflect(page);
    const act = vgf.actions(page, (changes, options) => touch(page, changes, options));
    page.view = vgf.view.view(root, data, act);
    page.player = new vgf.Player(data.ranges.steps.high, shown => draw(page, shown), () => rest(page));
    root.tabIndex = -1; // a click beside the controls keeps the keys here
    vgf.hands.hands(page.view.map, data.box, act);
    vgf.hands.keys(root, page.view.map, act);
    scrub(page.view.charts.values, data, act);
    watch(root, page);
    if (!fromAddress(page)) change(page, {});
    return {
      draw: shown => draw(page, shown),
      get state() { return page.state; }, get settings() { return page.state.settings; },
      get at() { return page.player.at; }, get walk() { return page.player.walk; },
      get busy() { return page.player.busy; }, get spent() { return page.player.spent; },
    };
  }

  /** Draw anew when the size, the theme or the address changes. */
  function watch(root, page) {
    const redraw = () => {
      vgf.controls.paint(root, page.data);
      page.view.keys.forEach(key => key());
      page.player.wake();
    };
    new ResizeObserver(() => page.player.walk && redraw()).observe(page.view.map);
    new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
    window.addEventListener("hashchange", () => location.hash !== page.address && fromAddress(page));
    vgf.controls.paint(root, page.data);
  }

  /** Take another state. `goal` is the step to show, L unless given; a new walk plays, or takes over when it is there. */
  function change(page, changes, { goal = null, play = false } = {}) {
    const { player, data } = page, old = page.state, state = { ...old, ...changes }, { steps } = state.settings;
    page.state = state;
    page.right = false;
    page.scene = vgf.state.scene(data, state.settings.error, state.edits);
    if (state.chosen && !vgf.state.whereIs(data, state, state.chosen)) state.chosen = null;
    const same = old.edits === state.edits && vgf.state.sameSettings(state.settings, { ...old.settings, steps });
    if (player.walk && same) player.walk.settings.steps = steps; // another L alone: the same walk, stopped elsewhere
    else player.show(() => vgf.begin(data, { ...page.state.settings }, page.state.edits), !play);
    if (play) player.replay(steps);
    else player.go(Math.min(goal ?? steps, steps));
    reflect(page);
  }

  /** A change the reader made: it goes into the address. */
  function touch(page, changes, options) {
    page.touched = true;
    page.view.link.hidden = true;
    [page.view.note, page.view.shared].forEach(note => vgf.controls.write(note, ""));
    change(page, changes, options);
  }

  /** Take the state from the address, if it holds one. */
  function fromAddress(page) {
    const found = vgf.address.read(location.hash, page.data, vgf.state.fromPreset(page.data, FIRST));
    if (!found) return false;
    const { settings, edits, chosen, task, at, faults } = found;
    change(page, { settings, edits, chosen, task }, { goal: at });
    const harm = `The link holds ${faults.join(", ")}, which this page cannot use; the usual value stands instead.`;
    vgf.controls.write(page.view.note, faults.length ? harm : "");
    return true;
  }

  function draw(page, shown) {
    const { view, state: { chosen }, scene, cache, player: { walk, at } } = page, step = Math.floor(shown);
    const { surface } = vgf.canvas;
    vgf.map.draw(surface(view.map), walk, shown, { scene, held: chosen, cache });
    vgf.chart.values(surface(view.charts.values), walk, step);
    vgf.chart.mmd(surface(view.charts.mmd), walk, step);
    vgf.view.numbers(view, walk, step, at.playing);
    const here = chosen?.kind === "particle" && 2 * chosen.index < walk.path[0].length;
    const said = here ? vgf.words.forces(vgf.forcesAt(walk, step, chosen.index), chosen.index) : NO_FORCES;
    vgf.controls.write(view.hand.forces, said);
  }

  /** All is computed and nothing moves: say it, look at the task, write the address. */
  function rest(page) {
    const { state, player: { walk, at }, data } = page;
    vgf.view.tell(page.view, walk, at.goal);
    page.right = state.task !== null && vgf.task.solved(data, state.task, state, walk, at.goal);
    if (page.right && !page.helped) page.solved.add(state.task);
    if (page.touched) vgf.address.put((page.address = vgf.address.write(state, at.goal)));
    banner(page);
  }

  /** Show the state in the controls. */
  function reflect(page) {
    const { view, state, data } = page;
    for (const [name, part] of Object.entries(view.settings)) part.show(state.settings[name]);
    view.settings.sigma.input.disabled = state.settings.bandwidth === "median";
    vgf.view.showHand(view.hand, data, state);
    banner(page);
  }

  /** What there is to see, or to do. */
  function banner({ view, state, data, right, helped, solved }) {
    const preset = state.task ? undefined : vgf.state.presetOf(data, state), { task } = state, { write } = vgf.controls;
    view.presets.show(preset);
    view.tasks.show(task);
    vgf.tasks.forEach((one, k) => write(view.tasks.buttons[k], `${solved.has(one) ? "✓ " : ""}${one.name}`));
    write(view.see, !task ? preset?.see ?? OWN : right ? `${helped ? "One solution" : "Solved"}. ${task.why}` : task.text);
    view.banner.classList.toggle("vgf-right", right);
    view.help.hidden = !task || right;
  }

  /** The curve over L is a handle for L, too. */
  function scrub(canvas, data, act) {
    const to = event => {
      const x = event.clientX - canvas.getBoundingClientRect().left;
      act.set({ steps: vgf.chart.stepAt(canvas.clientWidth, data.ranges.steps.high, x) });
    };
    canvas.addEventListener("pointerdown", event => {
      canvas.setPointerCapture(event.pointerId);
      to(event);
    });
    canvas.addEventListener("pointermove", event => event.buttons && to(event));
  }

  const root = document.getElementById("vgf-explorer"), source = document.getElementById("vgf-explorer-data");
  if (root && source) {
    vgf.data = JSON.parse(source.textContent);
    vgf.page = build(root, vgf.data);
  }
})((window.vgfExplorer ??= {}));
