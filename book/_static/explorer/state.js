// What the reader has set: the sliders, and what was moved or dropped on the map. A state is never changed, only replaced.
(function (vgf) {
  "use strict";

  const MOST_PLACED = 60; // particles moved or dropped by hand: an address holds them all
  const MOST_WRONG = 4; // false hills

  /** A map nobody has touched: `moved` and `hills` hold places by index; `wrong` the false hills, null for the usual one. */
  const untouched = () => ({ moved: {}, dropped: [], hills: {}, wrong: null });

  const isUntouched = ({ moved, dropped, hills, wrong }) =>
    !Object.keys(moved).length && !dropped.length && !Object.keys(hills).length && !wrong;

  /** The rewards of a state: the true one, and the one the particles follow. */
  function scene(data, error, edits) {
    const reward = { ...data.reward, centres: data.reward.centres.map((centre, k) => edits.hills[k] ?? centre) };
    const wrong = error > 0 ? edits.wrong ?? [data.error.centre] : [];
    const seen = vgf.followed(reward, wrong, data.error.width, error);
    return { reward, wrong, seen, tops: tops(reward, seen, wrong, data.error.width) };
  }

  /** The lower top, the higher and those the error makes of its own, each with its hill's width. */
  function tops(reward, seen, wrong, width) {
    const found = reward.centres.map((centre, k) => ({ place: vgf.topFrom(reward, centre), width: reward.widths[k] }));
    wrong.forEach((centre, k) => {
      const [x, y] = vgf.topFrom(seen, centre);
      const apart = found.every(top => Math.hypot(x - top.place[0], y - top.place[1]) > top.width / 2);
      if (apart) found.push({ place: [x, y], width, wrong: k }); // else one hill, tilted
    });
    return found;
  }

  /** The particles a walk begins with, flat: the first N of the sample, some of them moved, and those dropped. */
  function start(data, settings, edits) {
    const places = data.samples[settings.sample].slice(0, 2 * settings.particles);
    for (const [index, [x, y]] of Object.entries(edits.moved)) {
      if (index < settings.particles) [places[2 * index], places[2 * index + 1]] = [x, y];
    }
    return Float64Array.from([...places, ...edits.dropped.flat()]);
  }

  const within = ([low, high], place) =>
    place.map(value => Math.min(high, Math.max(low, Math.round(value * 1000) / 1000))); // as an address writes it

  /** The edits with one thing put elsewhere; null if no more particles may be placed by hand. */
  function place(data, settings, edits, { kind, index }, to) {
    const at = within(data.box, to);
    if (kind === "hill") return { ...edits, hills: { ...edits.hills, [index]: at } };
    if (kind === "wrong") {
      return { ...edits, wrong: (edits.wrong ?? [data.error.centre]).map((old, k) => (k === index ? at : old)) };
    }
    const dropped = index - settings.particles;
    if (dropped >= 0) return { ...edits, dropped: edits.dropped.map((old, k) => (k === dropped ? at : old)) };
    if (!(index in edits.moved) && full(edits)) return null;
    return { ...edits, moved: { ...edits.moved, [index]: at } };
  }

  const full = ({ moved, dropped }) => Object.keys(moved).length + dropped.length >= MOST_PLACED;

  /** The edits with one thing more, or null if there are enough. */
  function add(data, edits, kind, at) {
    const wrong = edits.wrong ?? [data.error.centre], put = within(data.box, at);
    if (kind === "wrong") return wrong.length < MOST_WRONG ? { ...edits, wrong: [...wrong, put] } : null;
    return full(edits) ? null : { ...edits, dropped: [...edits.dropped, put] };
  }

  /** The edits without a thing the reader added, or null if it belongs to the map. */
  function remove(data, settings, edits, { kind, index }) {
    const wrong = edits.wrong ?? [data.error.centre], dropped = index - settings.particles;
    if (kind === "wrong" && wrong.length > 1) return { ...edits, wrong: wrong.filter((_, k) => k !== index) };
    if (kind === "particle" && dropped >= 0) return { ...edits, dropped: edits.dropped.filter((_, k) => k !== dropped) };
    return null;
  }

  /** Where a thing is, or undefined if there is no such thing (any more). */
  function whereIs(data, { settings, edits }, { kind, index }) {
    const { reward, wrong } = scene(data, settings.error, edits);
    if (kind === "hill") return reward.centres[index];
    if (kind === "wrong") return wrong[index];
    const particles = start(data, settings, edits);
    return 2 * index < particles.length ? [particles[2 * index], particles[2 * index + 1]] : undefined;
  }

  /** Where a hill is marked on the map: at its top, or at its centre while it has no top of its own. */
  function markOf({ wrong, tops }, kind, index) {
    if (kind === "hill") return tops[index].place;
    return tops.find(top => top.wrong === index)?.place ?? wrong[index];
  }

  const sameSettings = (a, b) => Object.keys(b).every(name => a[name] === b[name]
    || (name === "sigma" && a.bandwidth === "median" && b.bandwidth === "median"));

  /** The preset a state is, if it is one: on any sample, with nothing moved. */
  const presetOf = (data, { settings, edits }) => isUntouched(edits)
    ? data.presets.find(preset => sameSettings(settings, preset.settings)) : undefined;

  const named = (data, ident) => data.presets.find(preset => preset.ident === ident);

  /** The state a preset, perhaps with changes, stands for. */
  const fromPreset = (data, ident, changes = {}) => ({
    settings: { ...named(data, ident).settings, sample: 0, ...changes },
    edits: untouched(),
  });

  vgf.state = {
    MOST_PLACED, MOST_WRONG, untouched, isUntouched, scene, start, place, add, remove, whereIs, markOf,
    sameSettings, presetOf, fromPreset,
  };
})((window.vgfExplorer ??= {}));
