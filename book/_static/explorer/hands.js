// Hands on the map: click a particle for its forces, drag particles and hills, click an empty place to drop a particle.
// Swiping over an empty place scrolls the page, as everywhere; only what is grabbed holds the page still.
(function (vgf) {
  "use strict";

  const MOVED = 3; // pixels from a click to a drag
  const NUDGE = 0.02;
  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

  /** Listen on the map; `act` has find, choose, grab, put, letGo and drop, all in the map's own coordinates. */
  function hands(canvas, [low, high], act) {
    let held = null, from = null;
    const at = event => {
      const box = canvas.getBoundingClientRect();
      return [event.clientX - box.left - canvas.clientLeft, event.clientY - box.top - canvas.clientTop];
    };
    const unit = () => (high - low) / canvas.clientWidth;
    const place = ([x, y]) => [low + unit() * x, high - unit() * y];
    const find = event => act.find(at(event), event.pointerType === "mouse" ? 10 : 18);

    canvas.addEventListener("pointerdown", event => {
      if (event.button !== 0 || !event.isPrimary) return;
      held = find(event);
      from = at(event);
      if (!held) return;
      canvas.setPointerCapture(event.pointerId);
      act.choose(held);
    });
    canvas.addEventListener("pointermove", event => {
      if (!held) {
        if (!event.buttons) canvas.style.cursor = find(event) ? "grab" : "crosshair";
        return;
      }
      const [x, y] = at(event);
      if (!held.dragged && Math.hypot(x - from[0], y - from[1]) < MOVED) return;
      if (!held.dragged) act.grab(held, place(from));
      held.dragged = true;
      canvas.style.cursor = "grabbing";
      act.put(held, place([x, y]));
    });
    const release = () => {
      if (held?.dragged) act.letGo(held);
      held = null;
      canvas.style.cursor = "";
    };
    canvas.addEventListener("pointerup", release);
    canvas.addEventListener("pointercancel", release);
    canvas.addEventListener("click", event => {
      const [x, y] = at(event);
      if (from && Math.hypot(x - from[0], y - from[1]) < MOVED && !find(event)) act.drop(place([x, y]));
    });
    canvas.addEventListener("touchstart", event => {
      if (event.touches.length === 1 && act.find(at(event.touches[0]), 18)) event.preventDefault();
    }, { passive: false });
  }

  /** Listen for keys anywhere in the explorer, except where a control has a use of its own for them. */
  function keys(root, canvas, act) {
    root.addEventListener("keydown", event => {
      if (event.altKey || event.ctrlKey || event.metaKey || event.target.matches("input, select, a")) return;
      const onMap = event.target === canvas, arrow = ARROWS[event.key];
      if (event.key === " " && !event.target.matches("button")) act.playOrPause();
      else if (arrow && event.shiftKey && onMap) act.nudge(arrow.map(part => NUDGE * part));
      else if (event.key === "ArrowRight") act.stepForward();
      else if (event.key === "ArrowLeft") act.stepBack();
      else if (event.key === "Escape" && onMap) act.choose(null);
      else if (event.key === "Delete" && onMap) act.remove();
      else return;
      event.preventDefault();
    });
  }

  vgf.hands = { hands, keys };
})((window.vgfExplorer ??= {}));
