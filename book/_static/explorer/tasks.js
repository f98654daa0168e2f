// Five tasks. Each begins from a preset with changes, and its check looks at the walk itself, never at a remembered answer.
(function (vgf) {
  "use strict";

  const { sameSettings, isUntouched } = vgf.state;

  /** Whether two settings differ in these alone. */
  const onlyDiffers = (settings, base, names) =>
    sameSettings({ ...settings, ...Object.fromEntries(names.map(name => [name, base[name]])) }, base);

  /** By how much two walks end apart; Infinity if they are not of the same particles and length. */
  function apart(a, b) {
    if (a.path[0].some((value, i) => value !== b.path[0][i]) || a.settings.steps !== b.settings.steps) return Infinity;
    const [end, other] = [a, b].map(walk => walk.path[walk.settings.steps]);
    return end.reduce((most, value, i) => Math.max(most, Math.abs(value - other[i])), 0);
  }

  vgf.tasks = [
    {
      ident: "stop",
      name: "Stop in time",
      preset: "rise",
      text: "The particles follow a reward that is wrong near the corner. Move Steps L alone, and stop the walk where the " +
        "executed action is truly worth most.",
      why: "The promise stays high, but past the true top every step loses. The number of steps is the regulariser.",
      solution: { steps: 9 },
      check: ({ walk, settings, edits, base }) => {
        const worth = walk.measures.map(measure => measure.real);
        return isUntouched(edits) && onlyDiffers(settings, base, ["steps"])
          && worth[settings.steps] >= Math.max(...worth) - 0.002;
      },
    },
    {
      ident: "trap",
      name: "Set a trap",
      preset: "authors",
      text: "The walk gains here, although the false hill is high. Drag the false hill (the cross) to a place where the " +
        "same walk does worse than best-of-N. Move nothing else.",
      why: "An error does harm where particles reach it. Close to the data, even a few steps are enough.",
      solution: { wrong: [[0, 0]] },
      check: ({ walk, settings, edits, base }) => {
        const others = isUntouched({ ...edits, wrong: null });
        return others && Boolean(edits.wrong) && edits.wrong.length === 1 && sameSettings(settings, base)
          && walk.measures[settings.steps].real < walk.measures[0].real - 0.02;
      },
    },
    {
      ident: "idle",
      name: "The idle slider",
      preset: "authors",
      changes: { repulsion: false, steps: 20, step_size: 0.05, particles: 50 },
      text: "Adam, and no repulsion. One of the sliders changes nothing at all, wherever you put it. Which? Move it, and " +
        "only it.",
      why: "Adam divides each coordinate by its own size. Without repulsion the temperature only scales the direction, and " +
        "the scale is lost.",
      solution: { temperature: 1.2 },
      check: ({ walk, settings, edits, base }) => {
        const moved = Object.keys(base).filter(name => settings[name] !== base[name]);
        return isUntouched(edits) && moved.length === 1 && moved[0] in walk.data.ranges
          && apart(walk, vgf.whole(base)) < 1e-4;
      },
    },
    {
      ident: "pushed",
      name: "Pushed, not pulled",
      preset: "repulsion",
      changes: { particles: 30 },
      at: 0,
      text: "Click particles and compare the two arrows. Find one on which repulsion is clearly stronger than attraction, " +
        "by a quarter or more.",
      why: "Near a top the slope is flat, so repulsion is the stronger force. Play the walk to its end: there the two " +
        "forces cancel for nearly every particle.",
      solution: { chosen: true },
      check: ({ walk, at, chosen }) => chosen?.kind === "particle" && 2 * chosen.index < walk.path[0].length
        && pushed(walk, at, chosen.index),
    },
    {
      ident: "valley",
      name: "Cross the valley",
      preset: "authors",
      changes: { sample: 1 },
      text: "In this sample no particle begins near the higher hill, and all stay on the lower one. Make the executed " +
        "action truly worth more than nine tenths. Move the sliders, not the map, and keep the sample.",
      why: "Where the reward is flat it does not attract. With more particles, some begin beyond the valley. At a high " +
        "temperature repulsion spreads them across it, but that takes many steps.",
      solution: { particles: 60 },
      check: ({ walk, settings, edits, base }) => isUntouched(edits) && settings.sample === base.sample
        && walk.measures[settings.steps].real > 0.9,
    },
  ];

  /** Whether repulsion on a particle exceeds attraction by a quarter. */
  function pushed(walk, at, index) {
    const { attraction, repulsion } = vgf.forcesAt(walk, at, index);
    return Math.hypot(...repulsion) >= 1.25 * Math.hypot(...attraction);
  }

  /** The state a task begins with. */
  const begin = (data, task) => vgf.state.fromPreset(data, task.preset, task.changes);

  /** Whether a state solves its task; `at` is the step shown, and the walk must be computed to its longest. */
  function solved(data, task, { settings, edits, chosen }, walk, at) {
    return task.check({ walk, settings, edits, chosen, at, base: begin(data, task).settings });
  }

  /** One solution, as a state: the sliders to move, the false hill to drag, or the particle to click. */
  function solution(data, task) {
    const { settings, edits } = begin(data, task), { wrong = null, chosen, ...sliders } = task.solution;
    const state = { settings: { ...settings, ...sliders }, edits: { ...edits, wrong }, chosen: null };
    if (chosen) {
      const walk = vgf.begin(data, state.settings, state.edits);
      const index = [...Array(settings.particles).keys()].find(i => pushed(walk, task.at, i));
      state.chosen = { kind: "particle", index };
    }
    return state;
  }

  vgf.task = { begin, solved, solution };
})((window.vgfExplorer ??= {}));
