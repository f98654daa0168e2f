// What every control of the page does. `page` holds the state and its parts, and `touch` takes a change the reader made.
(function (vgf) {
  "use strict";

  /** The walk: its settings and its clock. */
  function walking(page, touch) {
    const { data } = page, here = () => page.player.at.goal, settings = () => page.state.settings;
    return {
      set(part) {
        const whole = "steps" in part || here() >= settings().steps;
        touch({ settings: { ...settings(), ...part } }, { goal: whole ? null : here() });
      },
      preset: preset => touch({ ...vgf.state.fromPreset(data, preset.ident), chosen: null, task: null }, { play: true }),
      task(task) {
        page.helped = false;
        const play = task.at === undefined;
        touch({ ...vgf.task.begin(data, task), chosen: null, task }, { goal: play ? null : task.at, play });
        page.view.map.scrollIntoView({ block: "nearest" });
      },
      help() {
        page.helped = true;
        touch(vgf.task.solution(data, page.state.task), { goal: page.state.task.at ?? null });
      },
      playOrPause() {
        const { at } = page.player;
        if (at.playing) page.player.pause();
        else if (at.shown >= settings().steps) page.player.replay(settings().steps);
        else page.player.go(settings().steps, "film");
      },
      stepForward() {
        const { at } = page.player, next = (at.playing === "film" ? Math.floor(at.shown) : at.goal) + 1;
        if (next > data.ranges.steps.high) return;
        if (next > settings().steps) touch({ settings: { ...settings(), steps: next } }, { goal: next - 1 });
        page.player.go(next, "step");
      },
      stepBack() {
        const { at } = page.player;
        page.player.go(Math.max(0, (at.playing === "film" ? Math.ceil(at.shown) : at.goal) - 1));
      },
      reset: () => page.player.go(0),
      nextSample: () => touch({ settings: { ...settings(), sample: (settings().sample + 1) % data.samples.length } }),
    };
  }

  /** The things on the map: to choose, drag, drop, add, remove and put back. */
  function handling(page, touch) {
    const { data } = page, here = () => page.player.at.goal, state = () => page.state;
    const say = words => vgf.controls.write(page.view.note, words);
    const act = {
      find: (at, reach) =>
        vgf.map.hit(page.player.walk, page.player.at.shown, page.scene, page.view.map.clientWidth, at, reach),
      choose: thing => page.choose(thing && { kind: thing.kind, index: thing.index }),
      grab(thing, at) {
        if (thing.kind === "particle") page.player.go(0); // the walk begins again from where it is put
        const centre = thing.kind === "particle" ? at : vgf.state.whereIs(data, state(), thing);
        thing.offset = [centre[0] - at[0], centre[1] - at[1]]; // a hill stays where it is under the hand
      },
      put(thing, [x, y]) {
        const [dx, dy] = thing.offset ?? [0, 0];
        const edits = vgf.state.place(data, state().settings, state().edits, thing, [x + dx, y + dy]);
        if (edits) touch({ edits }, { goal: here() });
        else say("No more particles can be moved by hand; put all back first.");
      },
      letGo: thing => thing.kind === "particle" && page.player.replay(state().settings.steps),
      drop(at) {
        const edits = vgf.state.add(data, state().edits, "particle", at);
        const index = state().settings.particles + state().edits.dropped.length;
        if (edits) touch({ edits, chosen: { kind: "particle", index } }, { play: true });
        else say("No more particles can be placed by hand; put all back first.");
      },
      addHill() {
        const { error } = state().settings;
        const edits = error > 0 ? vgf.state.add(data, state().edits, "wrong", [0, 0]) : null;
        if (edits) touch({ edits, chosen: { kind: "wrong", index: edits.wrong.length - 1 } }, { goal: here() });
        else if (error > 0) say("No more false hills can be added; remove one first.");
        else say("A false hill needs height: move Reward error up first.");
      },
      remove() {
        const { chosen } = state(), edits = chosen && vgf.state.remove(data, state().settings, state().edits, chosen);
        if (edits) touch({ edits, chosen: null }, { goal: here() });
      },
      putBack: () => touch({ edits: vgf.state.untouched(), chosen: null }, { goal: here() }),
      nudge([dx, dy]) {
        const place = state().chosen && vgf.state.whereIs(data, state(), state().chosen);
        if (place) act.put(state().chosen, [place[0] + dx, place[1] + dy]);
      },
      putChosen(axis, value) {
        const place = state().chosen && vgf.state.whereIs(data, state(), state().chosen);
        const moved = place?.map((old, k) => (k === axis ? value : old));
        if (moved && Number.isFinite(value)) act.put(state().chosen, moved);
        else page.reflect();
      },
      chooseNamed(words) {
        const [kind, index] = words.split(" "), { walk, at } = page.player;
        if (kind === "executed") act.choose({ kind: "particle", index: walk.measures[Math.floor(at.shown)].chosen });
        else act.choose(kind ? { kind, index: Number(index) } : null);
      },
      nextParticle() {
        const { chosen } = state(), count = page.player.walk.path[0].length / 2;
        act.choose({ kind: "particle", index: chosen?.kind === "particle" ? (chosen.index + 1) % count : 0 });
      },
    };
    return act;
  }

  /** The state, taken away: as a link or a picture. */
  function sharing(page) {
    const say = words => vgf.controls.write(page.view.shared, words);
    const link = () => {
      vgf.address.put((page.address = vgf.address.write(page.state, page.player.at.goal)));
      return location.href;
    };
    return {
      async copyLink() {
        const { link: field } = page.view, url = link();
        try {
          await navigator.clipboard.writeText(url);
          say("Link copied.");
        } catch {
          Object.assign(field, { value: url, hidden: false });
          field.select();
          say("Copy the link from this field:");
        }
      },
      save() {
        const { walk, at } = page.player, options = { scene: page.scene, held: page.state.chosen, address: link() };
        vgf.sheet.save(`vgf-explorer-step-${Math.floor(at.shown)}.svg`, vgf.sheet.picture(walk, at.shown, options));
        say("Picture saved.");
      },
    };
  }

  vgf.actions = (page, touch) => ({ ...walking(page, touch), ...handling(page, touch), ...sharing(page) });
})((window.vgfExplorer ??= {}));
