// The small explorer of the front page: one walk, its values and one slider. It plays once when it comes into view.
(function (vgf) {
  "use strict";

  const { el, button, slider, bars, write, paint } = vgf.controls;

  /** Lay it out inside `root`; `press` is what Play calls, `move` takes a step. */
  function layout(root, data, { particles }, press, move) {
    const about = `${particles} actions climb a reward (lines) that has an error: a false hill (cross) beyond the true top ` +
      "(plus). The action it promises most for (diamond) is executed.";
    const made = {
      map: el("canvas", { className: "vgf-map", data: { role: "img", "aria-label": "Map of the particles" } }),
      values: bars(),
      verdict: el("p", { className: "vgf-verdict" }),
      steps: slider("vgf-small-steps", data.ranges.steps, move),
      play: button("Play", press, { class: "vgf-play" }),
      link: el("a", { href: root.dataset.explorer }, "Open the explorer"),
    };
    root.replaceChildren(el("div", { className: "vgf-stage" },
      el("div", { className: "vgf-view" }, made.map),
      el("div", { className: "vgf-side" },
        el("p", { className: "vgf-about" }, about), el("p", { className: "vgf-head" }, "The action it executes"),
        made.values.part, made.verdict, made.steps.part, el("div", { className: "vgf-buttons" }, made.play, made.link))));
    return made;
  }

  function build(root, data) {
    const { settings, edits } = vgf.state.fromPreset(data, data.presets[0].ident), cache = {}, { words, still } = vgf;
    const scene = vgf.state.scene(data, settings.error, edits);
    const { map, values, verdict, steps, play, link } = layout(root, data, settings, playOrPause, chooseStep);
    const player = new vgf.Player(settings.steps, draw, rest);

    // The film starts when the map comes into view, but not once the reader has chosen a step or pressed the button.
    const watch = new IntersectionObserver(entries => {
      if (!entries.some(entry => entry.isIntersecting)) return;
      watch.disconnect();
      player.go(settings.steps, "film");
    }, { threshold: 0.6 });

    function chooseStep(step) {
      watch.disconnect();
      player.go(step);
    }

    function playOrPause() {
      watch.disconnect();
      if (player.at.playing) player.pause();
      else if (player.at.shown >= settings.steps) player.replay(settings.steps);
      else player.go(settings.steps, "film");
    }

    function draw(shown) {
      const step = Math.floor(shown), { walk, at } = player;
      vgf.map.draw(vgf.canvas.surface(map), walk, shown, { scene, cache });
      values.show(walk, step);
      steps.show(step);
      write(verdict, words.verdict(walk.measures, step));
      write(play, at.playing ? "Pause" : still.matches ? "To the end" : "Play");
    }

    /** Say what is shown, and let the link lead to the same state. */
    function rest() {
      const { goal } = player.at;
      map.setAttribute("aria-label", words.mapText(player.walk, goal));
      link.href = root.dataset.explorer + vgf.address.write({ settings: { ...settings, steps: goal }, edits }, goal);
    }

    function redraw() {
      paint(root, data);
      player.wake();
    }

    player.show(() => vgf.begin(data, settings, edits), false);
    player.go(still.matches ? settings.steps : 0);
    new ResizeObserver(redraw).observe(map);
    new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
    watch.observe(map);
    paint(root, data);
    return player;
  }

  const root = document.getElementById("vgf-small"), source = document.getElementById("vgf-small-data");
  if (root && source) {
    vgf.data = JSON.parse(source.textContent);
    vgf.small = build(root, vgf.data);
  }
})((window.vgfExplorer ??= {}));
