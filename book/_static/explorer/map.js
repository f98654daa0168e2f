// The map of the bandit: true reward as shading, the reward the particles follow as lines, and what the walk does on it.
(function (vgf) {
  "use strict";

  const CELLS = 64; // the rewards are drawn on a grid of this size
  const LONGEST = 0.19; // of the longer arrow, as a share of the map's side
  const STAMP = 10; // pixels of a particle's square, its mark and a margin

  const { markOf } = vgf.state;
  const toX = (data, side, value) => ((value - data.box[0]) / (data.box[1] - data.box[0])) * side;
  const toY = (data, side, value) => side - toX(data, side, value);

  /** Marching squares: line segments of one level of a square field, in cells. */
  function contour(field, level, draw) {
    for (let j = 0; j + 1 < CELLS; j++) {
      for (let i = 0; i + 1 < CELLS; i++) {
        const a = field[j * CELLS + i] - level, b = field[j * CELLS + i + 1] - level;
        const d = field[(j + 1) * CELLS + i] - level, c = field[(j + 1) * CELLS + i + 1] - level;
        if (a > 0 === b > 0 && b > 0 === c > 0 && c > 0 === d > 0) continue; // most cells
        const cuts = [];
        if (a > 0 !== b > 0) cuts.push(i + a / (a - b), j);
        if (b > 0 !== c > 0) cuts.push(i + 1, j + b / (b - c));
        if (c > 0 !== d > 0) cuts.push(i + d / (d - c), j + 1);
        if (d > 0 !== a > 0) cuts.push(i, j + a / (a - d));
        for (let k = 0; k + 3 < cuts.length; k += 4) draw(cuts[k], cuts[k + 1], cuts[k + 2], cuts[k + 3]);
      }
    }
  }

  function field(data, bumps) {
    const [low, high] = data.box, values = new Float64Array(CELLS * CELLS), gap = (high - low) / (CELLS - 1);
    for (let k = 0; k < values.length; k++) {
      values[k] = vgf.value(bumps, low + gap * (k % CELLS), high - gap * Math.floor(k / CELLS));
    }
    return values;
  }

  function ground(context, data, { reward, seen }, side) {
    const { ink, sky } = vgf.canvas.colours(data), rgb = [1, 3, 5].map(at => parseInt(sky.slice(at, at + 2), 16));
    const shade = new ImageData(CELLS, CELLS), lines = field(data, seen), unit = side / (CELLS - 1);
    field(data, reward).forEach((value, k) => shade.data.set([...rgb, Math.min(255, 150 * value)], 4 * k));
    const small = Object.assign(document.createElement("canvas"), { width: CELLS, height: CELLS });
    small.getContext("2d").putImageData(shade, 0, 0);
    context.drawImage(small, 0, 0, side, side);
    Object.assign(context, { strokeStyle: ink, globalAlpha: 0.4, lineWidth: 0.8 });
    context.beginPath();
    const highest = lines.reduce((most, value) => Math.max(most, value), 0);
    for (let level = data.contour_step; level < highest; level += data.contour_step) {
      contour(lines, level, (x, y, u, v) => {
        context.moveTo(x * unit, y * unit);
        context.lineTo(u * unit, v * unit);
      });
    }
    context.stroke();
    context.globalAlpha = 1;
  }

  /** A layer of the map, drawn anew only when one of the things it shows, the size or the theme has changed. */
  function layer(cache, name, shown, side, draw) {
    const { ratio, dark } = vgf.canvas, key = [side, ratio(), dark()].join();
    const known = (cache[name] ??= { canvas: document.createElement("canvas"), shown: [] }), { canvas } = known;
    if (known.key !== key || known.shown.length !== shown.length || shown.some((one, i) => one !== known.shown[i])) {
      Object.assign(canvas, { width: side * ratio(), height: side * ratio() }); // which clears it
      const context = canvas.getContext("2d");
      context.scale(ratio(), ratio());
      draw(context);
      Object.assign(known, { shown, key });
    }
    return canvas;
  }

  /**
   * Draw the map at a step, which may lie between two states. `scene` is the ground as it is now: while a hill is dragged
   * the walk may lag behind. `held` is the chosen thing, or null. Without a cache all is drawn as lines, for a sheet;
   * with one, what is still is a layer, and particles are stamped: hundreds of paths a frame are too many for a
   * processor without a graphics card.
   */
  function map({ context, width: side }, walk, at, { scene, held = null, cache = null }) {
    if (!side) return; // not laid out yet: the map is drawn once it has a size
    const { data } = walk, looks = vgf.canvas.marks(data), { muted } = vgf.canvas.colours(data);
    const before = walk.path[Math.floor(at)], after = walk.path[Math.ceil(at)], part = at - Math.floor(at);
    const now = before.map((value, i) => value + part * (after[i] - value)), start = walk.path[0];
    const x = value => toX(data, side, value), y = value => toY(data, side, value);
    const put = (name, places, i = 0) => vgf.canvas.mark(context, looks[name], x(places[i]), y(places[i + 1]));
    const lay = (name, shown, draw) =>
      cache ? context.drawImage(layer(cache, name, shown, side, draw), 0, 0, side, side) : draw(context);
    lay("ground", [JSON.stringify(scene)], on => ground(on, data, scene, side));
    if (at > 0) trails(context, start, now, x, y, muted);
    lay("start", start, on => {
      for (let i = 0; i < start.length; i += 2) vgf.canvas.mark(on, looks.start, x(start[i]), y(start[i + 1]));
    });
    const stamp = cache && layer(cache, "now", [], STAMP, on => vgf.canvas.mark(on, looks.now, STAMP / 2, STAMP / 2));
    for (let i = 0; i < now.length; i += 2) {
      if (stamp) context.drawImage(stamp, x(now[i]) - STAMP / 2, y(now[i + 1]) - STAMP / 2, STAMP, STAMP);
      else put("now", now, i);
    }
    put("top", markOf(scene, "hill", 1));
    scene.wrong.forEach((_, k) => put("falseTop", markOf(scene, "wrong", k)));
    put("bestOfN", start, 2 * walk.measures[0].chosen);
    put("chosen", now, 2 * walk.measures[Math.floor(at)].chosen);
    if (held?.kind === "particle" && 2 * held.index < now.length) {
      put("held", now, 2 * held.index);
      forces(context, walk, Math.floor(at), held.index, [x(now[2 * held.index]), y(now[2 * held.index + 1])], side);
    } else if (held && held.kind !== "particle") put("held", markOf(scene, held.kind, held.index));
  }

  function trails(context, start, now, x, y, colour) {
    Object.assign(context, { strokeStyle: colour, lineWidth: 0.7, globalAlpha: 0.5 });
    context.beginPath();
    for (let i = 0; i < start.length; i += 2) {
      context.moveTo(x(start[i]), y(start[i + 1]));
      context.lineTo(x(now[i]), y(now[i + 1]));
    }
    context.stroke();
    context.globalAlpha = 1;
  }

  /** Both forces on a particle, to one scale over the whole walk: arrows that shrink are forces that fade. */
  function forces(context, walk, step, index, [x, y], side) {
    const { data } = walk, { green, purple } = vgf.canvas.colours(data);
    const { attraction, repulsion } = vgf.forcesAt(walk, step, index);
    const scale = (LONGEST * side) / strongest(walk, index);
    const both = [[attraction, green, false, "attraction"], [repulsion, purple, true, "repulsion"]];
    for (const [[u, v], colour, open, name] of both) {
      const tip = [scale * u, -scale * v];
      if (Math.hypot(...tip) < 4) continue;
      vgf.canvas.arrow(context, [x, y], tip, colour, open);
      const reach = 1 + 8 / Math.hypot(...tip), right = x + tip[0] > side - 70 || (tip[0] < 0 && x + tip[0] > 70);
      const beside = Math.min(side - 8, Math.max(8, y + reach * tip[1]));
      vgf.canvas.text(context, data, name, x + reach * tip[0], beside, colour, right ? "right" : "left");
    }
  }

  /** The larger force on a particle in any state that was left; each state is looked at once. */
  function strongest(walk, index) {
    if (walk.strongest?.index !== index) walk.strongest = { index, states: 0, most: 1e-9 };
    const known = walk.strongest;
    for (; known.states < Math.max(1, walk.path.length - 1); known.states++) {
      const { attraction, repulsion } = vgf.forcesAt(walk, known.states, index);
      known.most = Math.max(known.most, Math.hypot(...attraction), Math.hypot(...repulsion));
    }
    return known.most;
  }

  /** What lies at a point of the map, in pixels: a hill's mark, a particle where it began or is now, a hill around it. */
  function hit(walk, at, scene, side, [px, py], reach) {
    const { data } = walk, now = walk.path[Math.floor(at)], start = walk.path[0];
    const far = (u, v) => Math.hypot(toX(data, side, u) - px, toY(data, side, v) - py);
    const hills = [
      ...scene.reward.centres.map((_, index) => ({ kind: "hill", index })),
      ...scene.wrong.map((_, index) => ({ kind: "wrong", index })),
    ].map(hill => ({ ...hill, far: far(...markOf(scene, hill.kind, hill.index)) })).sort((a, b) => a.far - b.far);
    if (hills[0].far < reach) return hills[0];
    let index = -1, nearest = reach;
    for (const places of [start, now]) {
      for (let i = 0; i < places.length; i += 2) {
        const distance = far(places[i], places[i + 1]);
        if (distance <= nearest) [index, nearest] = [i / 2, distance];
      }
    }
    if (index >= 0) return { kind: "particle", index };
    return hills[0].far < 2 * reach ? hills[0] : null;
  }

  Object.assign(vgf, { map: { draw: map, hit } });
})((window.vgfExplorer ??= {}));
