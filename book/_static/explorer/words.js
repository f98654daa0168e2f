// What the page says: numbers with a name, and the state in sentences for those who cannot see the map. Every number in a
// sentence was measured on the walk.
(function (vgf) {
  "use strict";

  const reward = value => value.toFixed(2);
  const mmd = value => value.toFixed(3);
  const decimals = step => (String(step).split(".")[1] ?? "").length;
  const size = force => Math.hypot(...force);

  /** The paper's bound, or why there is none. */
  function paperBound(measure, { optimizer, bandwidth }) {
    if (optimizer === "adam") return "does not apply: it is about fixed steps";
    if (bandwidth === "median") return "does not apply: the bandwidth changes on the way";
    return mmd(measure.paper) + (measure.paper >= 2 ? " (says nothing: no MMD² exceeds 2)" : "");
  }

  /** Ours, which for fixed steps under the median bandwidth is known only afterwards. */
  function ourBound(measure) {
    const empty = measure.ours > 1.99 ? " (says nothing: no MMD² exceeds 2)" : "";
    return mmd(measure.ours) + (measure.oursBeforehand ? "" : ", known only after the walk") + empty;
  }

  /** What the formula gives with the first bandwidth for all, where that is no bound. */
  function naiveBound(measure) {
    if (measure.oursBeforehand) return null;
    return `${mmd(measure.naive)}, no bound: ` +
      (measure.naiveBroken ? "a particle went further than it allows" : "it was kept this time, by luck");
  }

  /** What the walk has brought by now, against best-of-N and against an earlier stop. */
  function verdict(measures, step) {
    const first = measures[0], now = measures[step], gain = now.real - first.real;
    if (step === 0) return "Nothing has moved: this is best-of-N.";
    const best = measures.slice(0, step + 1).reduce((top, one) => (one.real > top.real ? one : top), first);
    const more = best.step > 0 && best.real > now.real + 0.01;
    const earlier = more ? ` Step ${best.step} was worth more: ${reward(best.real)}.` : "";
    if (Math.abs(gain) < 0.005) return `The walk changes nothing.${earlier}`;
    return `The walk ${gain > 0 ? "gains" : "loses"} ${reward(Math.abs(gain))} against best-of-N.${earlier}`;
  }

  const action = (settings, { promised, real }) => settings.error > 0
    ? `an action promised ${reward(promised)} and worth ${reward(real)}` : `an action worth ${reward(real)}`;

  function summary(walk, step) {
    const { settings, measures } = walk, count = walk.path[0].length / 2;
    return `Step ${step} of ${settings.steps}, ${count} particles, squared MMD ${mmd(measures[step].mmd2)}. ` +
      `Best-of-N executes ${action(settings, measures[0])}, the moved particles ${action(settings, measures[step])}. ` +
      verdict(measures, step);
  }

  function mapText(walk, step) {
    const { chosen, near: [lower, higher, ...wrong] } = walk.measures[step], particles = walk.path[step];
    const place = [particles[2 * chosen], particles[2 * chosen + 1]].map(reward).join(", ");
    const lost = wrong.length ? `, ${wrong.join(" and ")} on the false one${wrong.length > 1 ? "s" : ""}` : "";
    return `Map of the bandit at step ${step}. Of ${particles.length / 2} particles ${lower} are on the lower hill, ` +
      `${higher} on the higher${lost}. The executed action is at (${place}).`;
  }

  /** Both forces on a particle. */
  function forces({ attraction, repulsion }, index) {
    const together = [attraction[0] + repulsion[0], attraction[1] + repulsion[1]];
    return `Particle ${index + 1}: attraction ${reward(size(attraction))}, repulsion ${reward(size(repulsion))}, ` +
      `together ${reward(size(together))}.`;
  }

  /** The setting in short lines, for a saved picture. */
  function settings({ settings: set, path }) {
    const { steps, step_size, temperature, optimizer, repulsion, bandwidth, sigma, error } = set, count = path[0].length / 2;
    const rule = optimizer === "adam" ? "Adam" : "fixed steps";
    const width = bandwidth === "median" ? "median bandwidth" : `σ = ${sigma}`;
    return [
      `L = ${steps}, ε = ${step_size} (${rule}), α = ${temperature}, N = ${count}`,
      `${width}, ${repulsion ? "with" : "no"} repulsion, reward error ${error}`,
    ];
  }

  function values({ measures }, step) {
    const { promised, real } = measures[step];
    return [
      `step ${step}: promised ${reward(promised)}, truly worth ${reward(real)}`,
      `best-of-N: truly worth ${reward(measures[0].real)}`,
    ];
  }

  Object.assign(vgf, {
    words: { reward, mmd, decimals, paperBound, ourBound, naiveBound, verdict, summary, mapText, forces, settings, values },
  });
})((window.vgfExplorer ??= {}));
