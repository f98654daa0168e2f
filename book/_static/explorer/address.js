// The state in the page's address, so that it can be sent, kept and cited. All of it is written, no preset's name: a link
// means the same when presets change. What an address holds is checked like any other input.
(function (vgf) {
  "use strict";

  const KEYS = { steps: "L", step_size: "eps", temperature: "alpha", particles: "N", error: "error" };
  const HILLS = ["low", "high"];
  const point = place => place.map(value => String(Math.round(value * 1000) / 1000)).join(",");
  const points = places => places.map(point).join(";");

  /** Write a state: `#L=40&eps=0.025&...`; `at` is the step shown. */
  function write({ settings, edits, chosen, task }, at) {
    const said = Object.entries(KEYS).map(([name, key]) => `${key}=${settings[name]}`);
    said.push(`step=${settings.optimizer === "adam" ? "adam" : "fixed"}`, `repulsion=${settings.repulsion ? "on" : "off"}`);
    said.push(`sigma=${settings.bandwidth === "median" ? "median" : settings.sigma}`, `sample=${settings.sample}`);
    if (at !== settings.steps) said.push(`at=${at}`);
    const moved = Object.entries(edits.moved).map(([index, place]) => `${index}:${point(place)}`);
    if (moved.length) said.push(`moved=${moved.join(";")}`);
    if (edits.dropped.length) said.push(`dropped=${points(edits.dropped)}`);
    HILLS.forEach((key, k) => edits.hills[k] && said.push(`${key}=${point(edits.hills[k])}`));
    if (edits.wrong) said.push(`false=${points(edits.wrong)}`);
    if (chosen?.kind === "particle") said.push(`chosen=${chosen.index}`);
    if (task) said.push(`task=${task.ident}`);
    return `#${said.join("&")}`;
  }

  /** Read an address onto a state; null if it says nothing of one. `faults` names what could not be used. */
  function read(hash, data, state) {
    const pairs = plain(hash).replace(/^#/, "").split("&").filter(part => part.includes("="))
      .map(part => [part.slice(0, part.indexOf("=")), part.slice(part.indexOf("=") + 1)]);
    if (!pairs.length) return null;
    const made = { settings: { ...state.settings }, edits: vgf.state.untouched(), chosen: null, at: null, task: null };
    const faults = [], reader = readers(data, made);
    for (const [key, text] of pairs) {
      if (!Object.hasOwn(reader, key) || reader[key](text) === false) faults.push(`${key}=${text}`.slice(0, 40));
    }
    made.at = Math.min(made.at ?? made.settings.steps, made.settings.steps);
    return { ...made, faults };
  }

  /** An address as it was written: mail programs replace commas and semicolons. */
  function plain(hash) {
    try {
      return decodeURIComponent(hash);
    } catch {
      return hash;
    }
  }

  /** For every key, what takes its text; each returns false if it cannot be used. */
  function readers(data, made) {
    const { settings, edits } = made, [low, high] = data.box;
    const number = (text, from, to) => {
      const value = /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
      return value >= from && value <= to ? value : false;
    };
    const whole = (text, from, to) => (Number.isInteger(number(text, from, to)) ? Number(text) : false);
    const place = text => {
      const found = text.split(",").map(value => number(value, low, high));
      return found.length === 2 && !found.includes(false) && found;
    };
    const places = (text, most) => {
      const found = text.split(";").map(place);
      return found.length <= most && !found.includes(false) && found;
    };
    const keep = (target, name, value) => value !== false && ((target[name] = value), true);
    const slider = name => text => {
      const { low: from, high: to, step } = data.ranges[name], value = number(text, from, to);
      const steps = (value - from) / step; // a slider cannot stand between two of its values
      return value !== false && Math.abs(steps - Math.round(steps)) < 1e-6 && keep(settings, name, value);
    };
    const option = (name, meanings) => text => Object.hasOwn(meanings, text) && keep(settings, name, meanings[text]);
    const moved = text => {
      const found = text.split(";").map(part => part.split(":"))
        .map(([index, at]) => [whole(index, 0, data.ranges.particles.high - 1), place(at ?? "")]);
      return found.length <= vgf.state.MOST_PLACED && !found.flat().includes(false) && Object.fromEntries(found);
    };
    const bandwidth = text => {
      if (text !== "median" && !slider("sigma")(text)) return false;
      return keep(settings, "bandwidth", text === "median" ? "median" : "fixed");
    };
    return {
      ...Object.fromEntries(Object.entries(KEYS).map(([name, key]) => [key, slider(name)])),
      ...Object.fromEntries(HILLS.map((key, k) => [key, text => keep(edits.hills, k, place(text))])),
      step: option("optimizer", { adam: "adam", fixed: "none" }),
      repulsion: option("repulsion", { on: true, off: false }),
      sigma: bandwidth,
      sample: text => keep(settings, "sample", whole(text, 0, data.samples.length - 1)),
      at: text => keep(made, "at", whole(text, 0, data.ranges.steps.high)),
      moved: text => keep(edits, "moved", moved(text)),
      dropped: text => keep(edits, "dropped", places(text, vgf.state.MOST_PLACED)),
      false: text => keep(edits, "wrong", places(text, vgf.state.MOST_WRONG)),
      chosen: text => {
        const index = whole(text, 0, data.ranges.particles.high + vgf.state.MOST_PLACED);
        return index !== false && keep(made, "chosen", { kind: "particle", index });
      },
      task: text => keep(made, "task", vgf.tasks.find(task => task.ident === text) ?? false),
    };
  }

  /** Put the state into the address bar without a new entry in the history; a page on a disk may refuse. */
  function put(hash) {
    try {
      history.replaceState(history.state, "", hash);
    } catch {
      location.replace(hash);
    }
  }

  vgf.address = { write, read, put, plain };
})((window.vgfExplorer ??= {}));
