// The page's controls and its clock. Everything that can be set is a real form control; a frame computes as many steps
// as fit in its budget and then draws, and when nothing is left to do no frame is asked for.
(function (vgf) {
  "use strict";

  const FRAME_BUDGET = 7; // milliseconds of computing in a frame; the rest is for drawing
  const LINES = {
    measured: { colour: "blue", dash: [], shape: "ring" },
    paper: { colour: "orange", dash: [7, 4], shape: "square" },
    ours: { colour: "green", dash: [2, 3], shape: "diamond" },
    promised: { colour: "orange", dash: [7, 4], shape: "square" },
    real: { colour: "blue", dash: [], shape: "ring" },
    bestOfN: { colour: "green", dash: [2, 3], shape: "diamond" },
  };
  const still = window.matchMedia("(prefers-reduced-motion: reduce)");

  function el(tag, properties = {}, ...children) {
    const { data, ...rest } = properties, made = Object.assign(document.createElement(tag), rest);
    for (const [name, value] of Object.entries(data ?? {})) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }

  /** Build the explorer in its place on the page; returns what a test may look at. */
  function build(root, data) {
    const settings = { ...data.presets[1].settings, sample: 0 };
    const at = { goal: settings.steps, shown: settings.steps, rate: Infinity }; // which step is shown, and where it goes
    const cache = {}, fields = {}, outputs = {}, cells = {};
    let walk = vgf.begin(data, settings), waiting = 0, last = 0, telling = 0;

    const canvas = el("canvas", { className: "vgf-map", data: { role: "img", "aria-label": "Map of the particles" } });
    const summary = el("p", { className: "vgf-summary", data: { "aria-live": "polite" } });
    const position = el("output", { className: "vgf-position" });
    const see = el("p", { className: "vgf-see" });
    const presetButtons = data.presets.map(preset =>
      el("button", { type: "button", onclick: () => choose(preset), data: { "aria-pressed": "false" } }, preset.name));
    const play = el("button", { type: "button", onclick: playOrPause }, "Play");
    const buttons = [
      play,
      el("button", { type: "button", onclick: oneStep }, "Step"),
      el("button", { type: "button", onclick: () => go(0) }, "Reset"),
      el("button", { type: "button", onclick: nextSample }, "Another sample"),
    ];
    const charts = {
      mmd: el("canvas", { className: "vgf-chart", data: { role: "img", "aria-label": "Chart of squared MMD over steps" } }),
      reward: el("canvas", { className: "vgf-chart", data: { role: "img", "aria-label": "Chart of the executed action over steps" } }),
    };

    function slider(name) {
      const { label, low, high, step } = data.ranges[name], id = `vgf-${name}`;
      fields[name] = el("input", { type: "range", id, min: low, max: high, step, value: settings[name] });
      fields[name].addEventListener("input", () => set({ [name]: Number(fields[name].value) }));
      outputs[name] = el("output", { htmlFor: id });
      return el("div", { className: "vgf-slider" }, el("label", { htmlFor: id }, label), outputs[name], fields[name]);
    }

    function choice(name, legend, options) {
      const radios = options.map(([value, text]) => {
        const radio = el("input", { type: "radio", name: `vgf-${name}`, value });
        radio.addEventListener("change", () => set({ [name]: value }));
        return [radio, el("label", {}, radio, text)];
      });
      fields[name] = radios.map(([radio]) => radio);
      return el("fieldset", {}, el("legend", {}, legend), ...radios.map(([, label]) => label));
    }

    function toggle(name, text) {
      fields[name] = el("input", { type: "checkbox" });
      fields[name].addEventListener("change", () => set({ [name]: fields[name].checked }));
      return el("label", { className: "vgf-toggle" }, fields[name], text);
    }

    function rows(caption, heads, entries) {
      const body = entries.map(([text, ...names]) => el("tr", {}, el("th", { scope: "row" }, text), ...names.map(name =>
        (cells[name] = el("td")))));
      const top = heads.length ? [el("thead", {}, el("tr", {}, el("td"), ...heads.map(text => el("th", { scope: "col" }, text))))] : [];
      return el("table", {}, el("caption", {}, caption), ...top, el("tbody", {}, ...body));
    }

    const keys = []; // small canvases of the legends, each with what it shows
    function legend(entries, wide) {
      return el("ul", { className: "vgf-legend" }, ...entries.map(([text, draw]) => {
        const swatch = el("canvas", { className: wide ? "vgf-line" : "vgf-mark", data: { "aria-hidden": "true" } });
        keys.push(() => draw(swatch));
        return el("li", {}, swatch, text);
      }));
    }
    const symbol = (text, name) => [text, swatch => vgf.drawing.legend(swatch, data, name)];
    const line = (text, name) => [text, swatch => vgf.drawing.swatch(swatch, data, LINES[name])];

    root.replaceChildren(
      el("div", { className: "vgf-presets", data: { role: "group", "aria-label": "Presets" } }, ...presetButtons),
      see,
      el("div", { className: "vgf-stage" },
        el("div", { className: "vgf-view" }, canvas),
        el("div", { className: "vgf-panel" },
          el("div", { className: "vgf-buttons", data: { role: "group", "aria-label": "Walk" } }, ...buttons, position),
          ...["steps", "step_size", "temperature", "particles", "error"].map(slider),
          toggle("repulsion", "Repulsion between particles"),
          choice("optimizer", "Step rule", [["none", "fixed"], ["adam", "Adam"]]),
          choice("bandwidth", "Bandwidth", [["fixed", "fixed σ"], ["median", "median"]]),
          slider("sigma"))),
      legend([
        symbol("sample", "start"), symbol("particles now", "now"), symbol("best-of-N", "bestOfN"),
        symbol("executed action", "chosen"), symbol("true top", "top"), symbol("false top", "falseTop"),
      ], false),
      summary,
      el("div", { className: "vgf-results" },
        el("div", {},
          rows("Distance from the sample", [], [
            ["squared MMD", "mmd2"], ["the paper's bound", "paper"], ["our bound", "ours"],
            ["ours with the first bandwidth", "naive"]]),
          charts.mmd,
          legend([line("squared MMD", "measured"), line("the paper's bound", "paper"), line("our bound", "ours")], true)),
        el("div", {},
          rows("Executed action", ["best-of-N", "now"], [
            ["promised", "promised0", "promised"], ["truly worth", "real0", "real"],
            ["best in the set", "best0", "best"]]),
          charts.reward,
          legend([line("promised", "promised"), line("truly worth", "real"), line("best-of-N, truly", "bestOfN")], true))),
    );

    /** Change settings; a new walk begins unless only its length changed. */
    function set(change, preset = null) {
      Object.assign(settings, change);
      if (Object.keys(change).some(name => name !== "steps")) walk = vgf.begin(data, { ...settings });
      else walk.settings.steps = settings.steps;
      const whole = "steps" in change || at.goal > settings.steps;
      Object.assign(at, { goal: whole ? settings.steps : at.goal, rate: Infinity });
      see.textContent = preset?.see ?? "A setting of your own.";
      presetButtons.forEach((button, k) => button.setAttribute("aria-pressed", String(data.presets[k] === preset)));
      reflect();
      wake();
    }

    /** Show the settings in the controls. */
    function reflect() {
      for (const name of Object.keys(data.ranges)) {
        fields[name].value = settings[name];
        outputs[name].textContent = settings[name].toFixed(vgf.words.decimals(data.ranges[name].step));
      }
      fields.repulsion.checked = settings.repulsion;
      for (const name of ["optimizer", "bandwidth"]) fields[name].forEach(radio => (radio.checked = radio.value === settings[name]));
      fields.sigma.disabled = settings.bandwidth === "median";
    }

    function choose(preset) {
      set({ ...preset.settings }, preset);
      if (settings.steps > 0 && !still.matches) Object.assign(at, { shown: 0, rate: pace() });
    }

    const pace = () => Math.min(14, Math.max(3, settings.steps / 3)); // steps a second

    function go(goal, rate = Infinity) {
      Object.assign(at, { goal, rate: still.matches ? Infinity : rate });
      wake();
    }

    function oneStep() {
      const next = Math.round(at.goal) + 1;
      if (next > data.ranges.steps.high) return;
      if (next > settings.steps) set({ steps: next });
      go(next, 5);
    }

    function playOrPause() {
      if (at.rate < Infinity && at.shown < at.goal) return go(Math.ceil(at.shown), at.rate);
      if (at.shown >= settings.steps) at.shown = 0;
      go(settings.steps, pace());
    }

    function nextSample() {
      set({ sample: (settings.sample + 1) % data.samples.length }, data.presets.find((_, k) =>
        presetButtons[k].getAttribute("aria-pressed") === "true") ?? null);
    }

    function wake() {
      if (!waiting) {
        last = 0;
        waiting = requestAnimationFrame(frame);
      }
    }

    function frame(now) {
      const end = performance.now() + FRAME_BUDGET;
      while (walk.measures.length <= settings.steps && performance.now() < end) vgf.advance(walk);
      const ready = walk.measures.length - 1, moving = at.rate < Infinity;
      if (moving) at.shown = Math.min(at.goal, at.shown + at.rate * (last ? (now - last) / 1000 : 0));
      else at.shown = at.goal;
      const shown = Math.min(at.shown, ready);
      last = now;
      draw(shown);
      if (moving && at.shown >= at.goal) at.rate = Infinity;
      const busy = at.shown < at.goal || ready < settings.steps;
      waiting = busy ? requestAnimationFrame(frame) : 0;
      clearTimeout(telling);
      telling = busy ? 0 : setTimeout(tell, 250);
    }

    function draw(shown) {
      const step = Math.floor(shown);
      vgf.drawing.map(canvas, cache, walk, shown);
      const first = walk.measures[0], now = walk.measures[step], { words } = vgf;
      const known = walk.measures.slice(0, settings.steps + 1), column = name => known.map(measure => measure[name]);
      const common = { steps: settings.steps, at: step };
      vgf.drawing.chart(charts.mmd, data, { ...common, top: 2, lines: [
        { values: now.paperApplies ? column("paper") : [], ...LINES.paper },
        { values: column("ours"), ...LINES.ours },
        { values: column("mmd2"), ...LINES.measured }] });
      const highest = Math.max(1, ...column("promised")); // the axis grows by halves, so that it seldom moves
      vgf.drawing.chart(charts.reward, data, { ...common, top: Math.ceil(2 * highest) / 2, lines: [
        { values: known.map(() => first.real), ...LINES.bestOfN },
        { values: column("promised"), ...LINES.promised },
        { values: column("real"), ...LINES.real }] });
      const text = {
        mmd2: words.mmd(now.mmd2), paper: words.paperBound(now, settings), ours: words.ourBound(now),
        naive: words.naiveBound(now) ?? "",
        promised0: words.reward(first.promised), promised: words.reward(now.promised),
        real0: words.reward(first.real), real: words.reward(now.real),
        best0: words.reward(first.bestReal), best: words.reward(now.bestReal),
      };
      for (const [name, value] of Object.entries(text)) if (cells[name].textContent !== value) cells[name].textContent = value;
      cells.naive.parentElement.hidden = !text.naive;
      position.textContent = `step ${step} of ${settings.steps}`;
      const playing = at.rate < Infinity && at.shown < at.goal;
      play.textContent = playing ? "Pause" : still.matches ? "To the end" : "Play";
    }

    /** Put the state into words, once it has come to rest. */
    function tell() {
      telling = 0;
      const step = at.goal, { words } = vgf, now = walk.measures[step];
      summary.textContent = words.summary(walk, step);
      canvas.setAttribute("aria-label", words.mapText(walk, step));
      charts.mmd.setAttribute("aria-label", `Chart over steps. At step ${step} squared MMD is ${words.mmd(now.mmd2)}; ` +
        `the paper's bound: ${words.paperBound(now, settings)}; our bound: ${words.ourBound(now)}.`);
      charts.reward.setAttribute("aria-label", `Chart over steps. At step ${step} the executed action is promised ` +
        `${words.reward(now.promised)} and worth ${words.reward(now.real)}; best-of-N's is worth ${words.reward(walk.measures[0].real)}.`);
    }

    function redraw() {
      keys.forEach(key => key());
      wake();
    }

    new ResizeObserver(redraw).observe(canvas);
    new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
    still.addEventListener("change", redraw);
    set({}, data.presets[1]);
    redraw();
    return { settings, at, draw, get walk() { return walk; }, get busy() { return waiting !== 0 || telling !== 0; } };
  }

  const root = document.getElementById("vgf-explorer"), source = document.getElementById("vgf-explorer-data");
  if (root && source) {
    vgf.data = JSON.parse(source.textContent);
    vgf.page = build(root, vgf.data);
  }
})((window.vgfExplorer ??= {}));
