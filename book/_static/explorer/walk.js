// One walk of the particles under one setting, computed a step at a time, so that a frame of the page never waits for
// forty of them. Every state is kept with what is measured on it: dragging the step back costs nothing.
(function (vgf) {
  "use strict";

  const argmax = array => array.reduce((best, value, i) => (value > array[best] ? i : best), 0);

  /** Begin a walk; `start` (flat) stands for the first particles of the chosen sample unless given. */
  function begin(data, settings, start) {
    const particles = Float64Array.from(start ?? data.samples[settings.sample].slice(0, 2 * settings.particles));
    const bumps = vgf.followed(data, settings.error);
    const first = settings.bandwidth === "median" ? vgf.medianBandwidth(particles, data.median_floor) : settings.sigma;
    const zeros = new Float64Array(particles.length);
    const walk = {
      data, settings, bumps,
      tops: tops(data, bumps, settings.error),
      c: vgf.lipschitz(bumps),
      sigma: first, // of the MMD throughout, and of the flow unless the median sets it anew
      own: vgf.kernelTotalOwn(particles, first),
      state: { particles, first: zeros, second: zeros, step: 0 },
      moved: 0, // how far any particle can have moved by now, as the bounds have it
      naive: 0, // the same with the first bandwidth standing for all: no bound for a median
      paperMoved: 0, // the paper's, whose formula has the repulsion's part always
      path: [particles],
      measures: [],
    };
    walk.measures.push(measure(walk));
    return walk;
  }

  /** Compute one step more. */
  function advance(walk) {
    const { data, settings, bumps, state, c } = walk, { particles } = state;
    const sigma = settings.bandwidth === "fixed" ? settings.sigma
      : state.step === 0 ? walk.sigma
        : vgf.medianBandwidth(particles, data.median_floor);
    const phi = vgf.direction(particles, vgf.scores(bumps, particles), sigma, settings.temperature, settings.repulsion);
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

  /** What is shown of the newest state. */
  function measure(walk) {
    const { data, settings, bumps, sigma } = walk, { particles } = walk.state;
    const promised = vgf.values(bumps, particles), real = vgf.values(data.reward, particles);
    const chosen = argmax(promised), best = argmax(real);
    const adam = settings.optimizer === "adam", median = settings.bandwidth === "median";
    return {
      step: walk.state.step,
      mmd2: walk.state.step ? vgf.mmd2(walk.path[0], walk.own, particles, sigma) : 0,
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

  /** The lower top, the higher and, if the error makes one of its own, the false one, each with its hill's width. */
  function tops(data, bumps, error) {
    const known = data.maxima.map((place, k) => ({ place, width: data.reward.widths[k] }));
    if (!(error > 0)) return known;
    const place = vgf.topFrom(bumps, data.error.centre), higher = known[1];
    const apart = Math.hypot(place[0] - higher.place[0], place[1] - higher.place[1]);
    return apart > higher.width / 2 ? [...known, { place, width: data.error.width }] : known; // else one hill, tilted
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

  /** A whole walk at once, for tests and for the curious: particles and measures of every step, as plain arrays. */
  function run(settings, start) {
    const walk = begin(vgf.data, { ...vgf.data.presets[0].settings, sample: 0, ...settings }, start);
    for (let i = 0; i < walk.settings.steps; i++) advance(walk);
    return { path: walk.path.map(particles => [...particles]), measures: walk.measures, sigma: walk.sigma, tops: walk.tops };
  }

  Object.assign(vgf, { begin, advance, run });
})((window.vgfExplorer ??= {}));
