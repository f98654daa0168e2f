// The clock. A frame computes what fits into its share of time and then draws; when nothing is left to do no frame is
// asked for. The walk is always computed to its longest, so that the curve over L is whole.
(function (vgf) {
  "use strict";

  const COMPUTING = 4; // milliseconds of a frame; the rest is for drawing
  const LONGEST_GAP = 0.1; // seconds: a page that was late goes on, it does not jump
  const still = window.matchMedia("(prefers-reduced-motion: reduce)");
  const pace = step => Math.min(14, 3 + 0.4 * step); // steps a second: the first are the ones to watch

  class Player {
    at = { goal: 0, shown: 0, playing: "" }; // the step shown, where it goes, and whether as a "film" or one "step"
    walk = null;
    spent = 0; // milliseconds of the newest frame
    next = null; // a walk that is not shown yet
    wanted = null; // makes the walk after it
    waiting = 0;
    telling = 0;
    last = 0;

    /** `draw(step)` is called on every frame, `rest()` once all is computed and nothing moves. */
    constructor(longest, draw, rest) {
      Object.assign(this, { longest, draw, rest });
      still.addEventListener("change", () => this.wake());
    }

    get busy() { return this.waiting !== 0 || this.telling !== 0; }

    /** Show another walk; if `hold`, the old one stays until the new has come as far as is shown. */
    show(make, hold) {
      if (hold && this.walk) this.wanted = make;
      else Object.assign(this, { walk: make(), next: null, wanted: null });
      this.wake();
    }

    /** Go to a step: at once, or playing where motion is welcome. */
    go(goal, playing = "") {
      Object.assign(this.at, { goal, playing: still.matches ? "" : playing });
      this.wake();
    }

    /** Play to a step from the beginning. */
    replay(goal) {
      if (!still.matches) this.at.shown = 0;
      this.go(goal, "film");
    }

    pause() {
      this.go(Math.ceil(this.at.shown));
    }

    wake() {
      if (this.waiting) return;
      this.last = 0;
      this.waiting = requestAnimationFrame(now => this.frame(now));
    }

    /** Compute one thing, and more while as long again would fit: a state of many particles fills a share by itself. */
    compute(end) {
      let begun = performance.now(), took;
      do {
        if (!this.next && this.wanted) Object.assign(this, { next: this.wanted(), wanted: null });
        const { next, walk, at } = this, enough = next ? Math.ceil(at.playing ? at.shown : at.goal) : this.longest;
        if ((next ?? walk).measures.length <= enough) vgf.advance(next ?? walk);
        else if (next) Object.assign(this, { walk: next, next: null });
        else if (walk.compared < walk.measures.length) vgf.compare(walk);
        else return;
        took = performance.now() - begun;
        begun += took;
      } while (begun + took < end);
    }

    frame(now) {
      const begun = performance.now(), { at } = this;
      this.compute(begun + COMPUTING);
      const ready = this.walk.measures.length - 1, gap = Math.min(LONGEST_GAP, (now - (this.last || now)) / 1000);
      this.last = now;
      at.shown = Math.min(ready, at.goal, at.playing ? at.shown + pace(at.shown) * gap : at.goal);
      if (at.shown >= at.goal) at.playing = "";
      this.draw(at.shown);
      const busy = at.playing || this.next || this.wanted || this.walk.compared <= this.longest;
      this.waiting = busy ? requestAnimationFrame(later => this.frame(later)) : 0;
      clearTimeout(this.telling);
      this.telling = busy ? 0 : setTimeout(() => this.told(), 250);
      this.spent = performance.now() - begun;
    }

    told() {
      this.telling = 0;
      this.rest();
    }
  }

  Object.assign(vgf, { Player, still });
})((window.vgfExplorer ??= {}));
