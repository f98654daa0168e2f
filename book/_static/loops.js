/* Films: a button below each row starts them together, from the beginning, and puts the stills back. */
(() => {
  "use strict";
  const root = document.documentElement.dataset.content_root;

  function film(picture) {
    const name = picture.src.split("/").pop().replace("-still.png", ".webp");
    return new URL(`${root}_static/loops/${name}`, document.baseURI).href;
  }

  document.querySelectorAll(".loops").forEach((row) => {
    const films = [...row.querySelectorAll("img")].map((picture) => ({ picture, still: picture.src, film: film(picture) }));
    const button = document.createElement("button");
    let playing = false;
    function show() {
      button.textContent = playing ? "Stop the films" : "Play the films";
      films.forEach((one) => { one.picture.src = playing ? one.film : one.still; });
    }
    button.type = "button";
    button.addEventListener("click", async () => {
      playing = !playing;
      if (playing) // all of them loaded first, so that they begin together
        await Promise.allSettled(films.map((one) => Object.assign(new Image(), { src: one.film }).decode()));
      show();
    });
    show();
    row.after(button);
    button.className = "loops-button";
  });
})();
