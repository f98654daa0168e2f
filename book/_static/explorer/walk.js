// One walk of the particles under one setting, computed a share at a time, so that a frame of the page never waits for
// all of it. Every state is kept with what is measured on it: moving the step back costs nothing.
(function (vgf) {
  "use strict";

  const argmax = array => array.reduce((best, value, i) => (value > array[best] ? i : best), 0);

  /** Begin a walk; `start` (flat) stands for the particles of the state unless given. */
  function begin(data, settings, edits, start) {
    const particles = Float64Array.from(start ?? vgf.state.start(data, settings, edits));
    const { reward, seen, tops } = vgf.state.scene(data, settings.error, edits);
    const first = settings.bandwidth === "median" ? vgf.medianBandwidth(particles, data.median_floor) : settings.sigma;
    const zeros = new Float64Array(particles.length);
    const walk = {
      data, settings, reward, seen, tops,
      c: vgf.lipschitz(seen),
      sigma: first, // of the MMD throughout, and of the flow unless the median sets it anew
      sigmas: [first], // of the flow, one a state
      own: vgf.kernelTotalOwn(particles, first),
      state: { particles, first: zeros, second: zeros, step: 0 },
      moved: 0, // how far any particle can have moved by now, as the bounds have it
      naive: 0, // the same with the first bandwidth standing for all: no bound for a median
      paperMoved: 0, // the paper's, whose formula has the repulsion's part always
      path: [particles],
      measures: [],
      compared: 1, // states whose MMD is known; that of the first is zero
    };
    walk.measures.push(measure(walk));
    return walk;
  }

  /** Compute one state more, with all that is measured on it but the MMD. */
  function advance(walk) {
    const { data, settings, seen, state, c } = walk, { particles } = state, sigma = sigmaAt(walk, state.step);
    const phi = vgf.direction(particles, vgf.scores(seen, particles), sigma, settings.temperature, settings.repulsion);
    walk.state = vgf.step(state, phi, settings, data);
    const reach = (width, repulsion) => settings.step_size * vgf.directionBound(settings.temperature, c, width, repulsion);
    walk.moved += settings.optimizer === "adam"
      ? settings.step_size * Math.SQRT2 * vgf.adamStepBound(walk.state.step, data.adam) // two coordinates
      : reach(sigma, settings.repulsion);
    walk.naive += reach(walk.sigma, settings.repulsion);
    walk.paperMoved += reach(walk.sigma, true);
    walk.path.push(walk.state.particles);
    walk.measures.push(measure(walk));
  }

  /** Compute one squared MMD more. It costs more than all else, so it comes last and does not hold up the walk. */
  function compare(walk) {
    const step = walk.compared++;
    walk.measures[step].mmd2 = vgf.mmd2(walk.path[0], walk.own, walk.path[step], walk.sigma);
  }

  /** The bandwidth with which the flow leaves a state. */
  function sigmaAt(walk, step) {
    return (walk.sigmas[step] ??= walk.settings.bandwidth === "fixed" ? walk.settings.sigma
      : vgf.medianBandwidth(walk.path[step], walk.data.median_floor));
  }

  /** Attraction and repulsion at a particle, in the state of a step. */
  function forcesAt(walk, step, index) {
    const { temperature, repulsion } = walk.settings, particles = walk.path[step];
    const score = vgf.scores(walk.seen, particles);
    return vgf.forces(particles, score, index, sigmaAt(walk, step), temperature, repulsion);
  }

  /** What is shown of the newest state. */
  function measure(walk) {
    const { settings, seen, reward, sigma } = walk, { particles } = walk.state;
    const promised = vgf.values(seen, particles), real = vgf.values(reward, particles);
    const chosen = argmax(promised), best = argmax(real);
    const adam = settings.optimizer === "adam", median = settings.bandwidth === "median";
    return {
      step: walk.state.step,
      mmd2: walk.state.step ? null : 0, // compare(walk) fills it in
      paper: vgf.paperBound(walk.paperMoved, sigma),
      paperApplies: !adam && !median,
      ours: vgf.ourBound(walk.moved, sigma),
      oursBeforehand: adam || !median, // else it is known only once the bandwidths are
      naive: vgf.ourBound(walk.naive, sigma),
      naiveBroken: farthest(walk.path[0], particles) > walk.naive * (1 + 1e-9), // a particle went further than that
      near: near(walk.tops, particles),
      chosen, promised: promised[chosen], real: real[chosen],
      best, bestReal: real[best],
    };
  }

  function farthest(from, to) {
    let most = 0;
    for (let i = 0; i < from.length; i += 2) most = Math.max(most, Math.hypot(to[i] - from[i], to[i + 1] - from[i + 1]));
    return most;
  }

  /** How many particles are within one width of each top. */
  function near(tops, particles) {
    return tops.map(({ place: [x, y], width }) => {
      let count = 0;
      for (let i = 0; i < particles.length; i += 2) count += Math.hypot(particles[i] - x, particles[i + 1] - y) < width;
      return count;
    });
  }

  /** A whole walk at once, for tests and for the curious. */
  function whole(settings, edits = vgf.state.untouched(), start = undefined) {
    const walk = begin(vgf.data, { ...vgf.data.presets[0].settings, sample: 0, ...settings }, edits, start);
    while (walk.measures.length <= walk.settings.steps) advance(walk);
    while (walk.compared < walk.measures.length) compare(walk);
    return walk;
  }

  /** The same as plain arrays: particles and measures of every step. */
  function run(settings, start, edits) {
    const { path, measures, sigma, tops } = whole(settings, edits, start);
    return { path: path.map(particles => [...particles]), measures, sigma, tops };
  }

  Object.assign(vgf, { begin, advance, compare, forcesAt, whole, run });
})((window.vgfExplorer ??= {}));
