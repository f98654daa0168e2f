// The parts the page is made of. Everything that can be set is a real form control with a label.
(function (vgf) {
  "use strict";

  function el(tag, properties = {}, ...children) {
    const { data, ...rest } = properties, made = Object.assign(document.createElement(tag), rest);
    for (const [name, value] of Object.entries(data ?? {})) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }

  const button = (words, onclick, data = {}) => el("button", { type: "button", onclick, data }, words);

  /** A slider with its label and value; `show` sets it. */
  function slider(id, { label, low, high, step }, change) {
    const input = el("input", { type: "range", id, min: low, max: high, step });
    const output = el("output", { htmlFor: id }), digits = vgf.words.decimals(step);
    input.addEventListener("input", () => change(Number(input.value)));
    return {
      input,
      part: el("div", { className: "vgf-slider" }, el("label", { htmlFor: id }, label), output, input),
      show(value) {
        input.value = value;
        output.textContent = value.toFixed(digits);
      },
    };
  }

  /** One of several, by radio buttons. */
  function choice(name, legend, options, change) {
    const radios = options.map(([value]) => el("input", { type: "radio", name, value }));
    radios.forEach(radio => radio.addEventListener("change", () => change(radio.value)));
    const labels = options.map(([, words], k) => el("label", {}, radios[k], words));
    return {
      part: el("fieldset", { className: "vgf-choice" }, el("legend", {}, legend), ...labels),
      show: value => radios.forEach(radio => (radio.checked = radio.value === value)),
    };
  }

  function toggle(words, change) {
    const input = el("input", { type: "checkbox" });
    input.addEventListener("change", () => change(input.checked));
    return { part: el("label", { className: "vgf-toggle" }, input, words), show: value => (input.checked = value) };
  }

  /** A table of names and cells; `cells` is filled with the cells, by name. */
  function table(cells, caption, heads, entries) {
    const body = entries.map(([words, ...names]) => el("tr", {}, el("th", { scope: "row" }, words), ...names.map(name =>
      (cells[name] = el("td")))));
    const made = el("table", {}, el("caption", {}, caption), el("tbody", {}, ...body));
    const columns = heads.map(words => el("th", { scope: "col" }, words));
    if (heads.length) made.caption.after(el("thead", {}, el("tr", {}, el("td"), ...columns)));
    return made;
  }

  /** What marks or lines mean; `keys` is filled with what draws them anew. */
  function legend(keys, className, entries, draw) {
    return el("ul", { className: "vgf-legend" }, ...entries.map(([words, name]) => {
      const swatch = el("canvas", { className, data: { "aria-hidden": "true" } });
      keys.push(() => draw(swatch, name));
      return el("li", {}, swatch, words);
    }));
  }

  /** Bars beside the map: promised and true value of the executed action, and of best-of-N. */
  function bars() {
    const entries = { promised: "promised", real: "truly worth", bestOfN: "best-of-N, truly" }, made = {};
    const rows = Object.entries(entries).map(([name, words]) => {
      const fill = el("span", { className: `vgf-fill vgf-${name}` }), output = el("span", { className: "vgf-number" });
      made[name] = { fill, output };
      return el("div", { className: "vgf-bar" }, el("span", {}, words), el("span", { className: "vgf-track" }, fill), output);
    });
    return {
      part: el("div", { className: "vgf-bars" }, ...rows),
      show(walk, step) {
        const { promised, real } = walk.measures[step], top = vgf.chart.valueTop(walk.measures);
        const values = { promised, real, bestOfN: walk.measures[0].real };
        for (const [name, { fill, output }] of Object.entries(made)) {
          fill.style.width = `${(100 * values[name]) / top}%`;
          write(output, vgf.words.reward(values[name]));
        }
      },
    };
  }

  /** Set a text only where it differs: a frame changes little of the page. */
  function write(element, words) {
    if (element.textContent !== words) element.textContent = words;
  }

  /** Give the bars the colours of the theme. */
  function paint(root, data) {
    const { orange, blue, green } = vgf.canvas.colours(data);
    Object.entries({ orange, blue, green }).forEach(([name, value]) => root.style.setProperty(`--vgf-${name}`, value));
  }

  vgf.controls = { el, button, slider, choice, toggle, table, legend, bars, write, paint };
})((window.vgfExplorer ??= {}));
