// The clock. A frame computes what fits into its share of time and then draws; when nothing is left to do no frame is
// asked for. The walk is always computed to its longest, so that the curve over L is whole.
(function (vgf) {
  "use strict";

  const COMPUTING = 4; // milliseconds of a frame; the rest is for drawing
  const LONGEST_GAP = 0.1; // seconds: a page that was late goes on, it does not jump
  const still = window.matchMedia("(prefers-reduced-motion: reduce)");
  const pace = step => Math.min(14, 3 + 0.4 * step); // steps a second: the first are the ones to watch

  /** Make a player; `draw(step)` is called on every frame, `rest()` once all is computed and nothing moves. */
  function player(longest, draw, rest) {
    const at = { goal: 0, shown: 0, playing: "" }; // the step shown, where it goes, and whether as a "film" or one "step"
    let walk = null, next = null, wanted = null, waiting = 0, last = 0, telling = 0, spent = 0;

    /** Show another walk; if `hold`, the old one stays until the new has come as far as is shown. */
    function show(make, hold) {
      if (hold && walk) wanted = make;
      else [walk, next, wanted] = [make(), null, null];
      wake();
    }

    function compute(end) {
      do {
        if (!next && wanted) [next, wanted] = [wanted(), null];
        const enough = next ? Math.ceil(at.playing ? at.shown : at.goal) : longest;
        if ((next ?? walk).measures.length <= enough) vgf.advance(next ?? walk);
        else if (next) [walk, next] = [next, null];
        else if (walk.compared < walk.measures.length) vgf.compare(walk);
        else return;
      } while (performance.now() < end);
    }

    function frame(now) {
      const begun = performance.now();
      compute(begun + COMPUTING);
      const ready = walk.measures.length - 1, gap = Math.min(LONGEST_GAP, (now - (last || now)) / 1000);
      last = now;
      at.shown = Math.min(ready, at.goal, at.playing ? at.shown + pace(at.shown) * gap : at.goal);
      if (at.shown >= at.goal) at.playing = "";
      draw(at.shown);
      const busy = at.playing || next || wanted || walk.compared <= longest;
      waiting = busy ? requestAnimationFrame(frame) : 0;
      clearTimeout(telling);
      telling = busy ? 0 : setTimeout(told, 250);
      spent = performance.now() - begun;
    }

    function told() {
      telling = 0;
      rest();
    }

    function wake() {
      if (waiting) return;
      last = 0;
      waiting = requestAnimationFrame(frame);
    }

    /** Go to a step: at once, or playing where motion is welcome. */
    function go(goal, playing = "") {
      Object.assign(at, { goal, playing: still.matches ? "" : playing });
      wake();
    }

    /** Play to a step from the beginning. */
    function replay(goal) {
      if (!still.matches) at.shown = 0;
      go(goal, "film");
    }

    function pause() {
      go(Math.ceil(at.shown));
    }

    still.addEventListener("change", wake);
    return {
      at, show, go, replay, pause, wake,
      get walk() { return walk; },
      get busy() { return waiting !== 0 || telling !== 0; },
      get spent() { return spent; }, // milliseconds of the newest frame
    };
  }

  Object.assign(vgf, { player, still });
})((window.vgfExplorer ??= {}));
