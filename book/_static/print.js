// Printing: what is folded up but belongs to the text is opened, and the page is light, whatever it was on the screen.
// Hidden plumbing (details.hide) and files to download stay away; print.css leaves them out.
(() => {
  const root = document.documentElement;
  let opened = [], theme;
  window.addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open], .hide)")];
    opened.forEach(fold => { fold.open = true; });
    theme = root.dataset.theme;
    root.dataset.theme = "light";
  });
  window.addEventListener("afterprint", () => {
    opened.forEach(fold => { fold.open = false; });
    if (theme) root.dataset.theme = theme;
  });
})();
