
"use strict";
const cards = [...document.querySelectorAll(".card")];
const words = new Map(cards.map((card) => [card, card.textContent.toLowerCase()]));
const field = document.getElementById("filter");
const chips = [...document.querySelectorAll(".chip")];
let state = "";

function refresh() {
  const wanted = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const card of cards) {
    const fits = (!state || card.dataset.state === state) && wanted.every((word) => words.get(card).includes(word));
    card.hidden = !fits;
    shown += fits;
  }
  document.getElementById("shown").textContent = shown === cards.length ? "" : `${shown} of ${cards.length} shown`;
  document.getElementById("none").hidden = shown > 0;
}

field.form.addEventListener("submit", (event) => event.preventDefault());
field.addEventListener("input", refresh);
for (const chip of chips) {
  chip.addEventListener("click", () => {
    state = chip.dataset.state;
    chips.forEach((other) => other.setAttribute("aria-pressed", String(other === chip)));
    refresh();
  });
}

for (const toggle of document.querySelectorAll("[data-hides]")) {
  const kind = toggle.dataset.hides;
  toggle.parentElement.hidden = !document.querySelector(`.box${kind === "truth" ? ".truth" : ""}`);
  toggle.addEventListener("change", () => document.body.classList.toggle(`no-${kind}`, !toggle.checked));
}

for (const frame of document.querySelectorAll(".frames:not(.single) .frame")) {
  const toggle = () => frame.parentElement.classList.toggle("large");
  frame.tabIndex = 0;
  frame.setAttribute("role", "button");
  frame.addEventListener("click", toggle);
  frame.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      toggle();
    }
  });
}
