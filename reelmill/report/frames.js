"use strict";
for (const toggle of document.querySelectorAll("[data-hides]")) {
  const kind = toggle.dataset.hides;
  toggle.parentElement.hidden = !document.querySelector(`.box${kind === "truth" ? ".truth" : ""}`);
  toggle.addEventListener("change", () => document.body.classList.toggle(`no-${kind}`, !toggle.checked));
}

/* Listening on the document: a live page brings new frames. */
const inStrip = (target) => target.closest(".frames:not(.single) .frame");
const prepare = () => {
  for (const frame of document.querySelectorAll(".frames:not(.single) .frame")) {
    frame.tabIndex = 0;
    frame.setAttribute("role", "button");
  }
};
document.addEventListener("click", (event) => inStrip(event.target)?.parentElement.classList.toggle("large"));
document.addEventListener("keydown", (event) => {
  const frame = inStrip(event.target);
  if (frame && (event.key === "Enter" || event.key === " ")) {
    event.preventDefault();
    frame.parentElement.classList.toggle("large");
  }
});
prepare();
