// What the page says: numbers with a name, and the state in sentences for those who cannot see the map. Every number in a
// sentence was measured on the walk.
(function (vgf) {
  "use strict";

  const reward = value => value.toFixed(2);
  const mmd = value => value.toFixed(3);
  const decimals = step => (String(step).split(".")[1] ?? "").length;

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

  function verdict(first, now) {
    const gain = now.real - first.real;
    if (now.step === 0) return "this is best-of-N";
    if (Math.abs(gain) < 0.005) return "the walk changes nothing";
    return gain > 0 ? `the walk gains ${reward(gain)}` : `the walk loses ${reward(-gain)}`;
  }

  function summary(walk, step) {
    const { settings } = walk, first = walk.measures[0], now = walk.measures[step];
    const of = ({ promised, real }) => settings.error > 0
      ? `an action promised ${reward(promised)} and worth ${reward(real)}` : `an action worth ${reward(real)}`;
    return `Step ${step} of ${settings.steps}, ${settings.particles} particles, squared MMD ${mmd(now.mmd2)}. ` +
      `Best-of-N executes ${of(first)}, the moved particles ${of(now)}: ${verdict(first, now)}.`;
  }

  function mapText(walk, step) {
    const now = walk.measures[step], [lower, higher, wrong] = now.near, particles = walk.path[step];
    const place = [particles[2 * now.chosen], particles[2 * now.chosen + 1]].map(reward).join(", ");
    return `Map of the bandit at step ${step}. Of ${walk.settings.particles} particles ${lower} are on the lower hill, ` +
      `${higher} on the higher${wrong === undefined ? "" : `, ${wrong} on the false one`}. ` +
      `The executed action is at (${place}).`;
  }

  Object.assign(vgf, { words: { reward, mmd, decimals, paperBound, ourBound, naiveBound, verdict, summary, mapText } });
})((window.vgfExplorer ??= {}));
