/* Hover cards: a link to a term, an equation, a figure or a theorem shows what is there, on hover and on keyboard focus.
   Escape puts the card away, and the pointer may go onto it. A touch follows the link, as without this script. */
(() => {
  "use strict";
  const root = new URL(document.documentElement.dataset.content_root || "./", document.baseURI);
  const SOON = 250; // milliseconds until a card shows or goes, so that a passing pointer opens none
  let card, shownFor, timer, loading;

  function load(name) {
    return new Promise((done) => {
      const script = Object.assign(document.createElement("script"), { src: new URL(name, root), onload: done, onerror: done });
      document.head.append(script);
    });
  }

  async function formulas() {
    if (!card.querySelector(".math")) return;
    if (!window.MathJax) { // a page without formulas has not loaded it
      window.MathJax = { options: { processHtmlClass: "math" }, startup: { typeset: false } };
      await load("_static/mathjax/tex-svg-full.js");
    }
    await window.MathJax.startup?.promise;
    window.MathJax.typesetClear?.([card]);
    await window.MathJax.typesetPromise?.([card]);
  }

  function place(link) {
    const at = link.getBoundingClientRect(), box = card.getBoundingClientRect();
    const left = Math.max(8, Math.min(at.left, document.documentElement.clientWidth - box.width - 8));
    const above = at.bottom + box.height + 8 > window.innerHeight && at.top > box.height + 8;
    card.style.left = `${left + window.scrollX}px`;
    card.style.top = `${(above ? at.top - box.height - 4 : at.bottom + 4) + window.scrollY}px`;
  }

  function hide() {
    clearTimeout(timer);
    shownFor?.removeAttribute("aria-describedby");
    shownFor = undefined;
    if (card) card.hidden = true;
  }

  async function show(link, key) {
    await (loading ??= load("_static/cards-data.js"));
    const found = window.vgfCards?.[key];
    if (!found || !(link.matches(":hover") || link === document.activeElement)) return;
    hide();
    if (!card) {
      card = Object.assign(document.createElement("div"), { className: "vgf-card", id: "vgf-card", role: "tooltip" });
      card.addEventListener("pointerenter", () => clearTimeout(timer));
      card.addEventListener("pointerleave", later);
      document.querySelector("article").append(card);
    }
    const title = Object.assign(document.createElement("p"), { className: "vgf-card-title", textContent: found.title });
    card.innerHTML = found.html;
    card.querySelectorAll("img").forEach((picture) => { picture.src = new URL(picture.getAttribute("src"), root); });
    card.prepend(title);
    card.hidden = false;
    shownFor = link;
    link.setAttribute("aria-describedby", card.id);
    place(link);
    await formulas();
    if (shownFor === link) place(link);
  }

  function later() {
    clearTimeout(timer);
    timer = setTimeout(hide, SOON);
  }

  document.querySelectorAll('article a.internal[href*="#"], article a.reference[href^="#"]').forEach((link) => {
    const address = new URL(link.href);
    if (!address.hash || !address.href.startsWith(root.href) || link.matches(".headerlink")) return;
    const key = address.href.slice(root.href.length);
    link.addEventListener("pointerenter", (event) => {
      if (event.pointerType === "touch") return;
      clearTimeout(timer);
      timer = setTimeout(show, SOON, link, key);
    });
    link.addEventListener("pointerleave", later);
    link.addEventListener("focus", () => { if (link.matches(":focus-visible")) show(link, key); });
    link.addEventListener("blur", hide);
  });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
})();
