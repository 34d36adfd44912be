
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
