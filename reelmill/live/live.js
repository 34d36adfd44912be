const EVERY_MS = 3000;
const MOST_MS = 60000;

function sayTimes() {
  const said = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  for (const time of document.querySelectorAll("time:not([data-said])")) {
    time.title = time.textContent;
    time.textContent = said.format(new Date(time.dateTime));
    time.dataset.said = "";
  }
}

/* A card whose state is as before stays: it may be open, large or half read. */
function renew(old, fresh) {
  if (old.id !== "jobs") {
    old.replaceWith(fresh);
    return;
  }
  for (const card of fresh.querySelectorAll(".card[id]")) {
    const known = document.getElementById(card.id);
    if (!known) {
      old.replaceWith(fresh);
      return;
    }
    if (known.dataset.state !== card.dataset.state) known.replaceWith(card);
  }
}

async function look() {
  const response = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!response.ok) throw new Error(`status ${response.status}`);
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const old of document.querySelectorAll("[data-live]")) {
    const fresh = page.getElementById(old.id);
    if (fresh && fresh.outerHTML !== shown.get(old.id)) {
      shown.set(old.id, fresh.outerHTML);
      renew(old, fresh);
    }
  }
  document.body.toggleAttribute("data-going", page.body.hasAttribute("data-going"));
  sayTimes();
  prepare();
}

/* Asks less often of a server that is slow or away, and not at all while nobody looks. */
async function follow() {
  let wait = EVERY_MS;
  while (document.body.hasAttribute("data-going")) {
    await new Promise((resolve) => setTimeout(resolve, wait));
    if (document.hidden) continue;
    const begun = performance.now();
    try {
      await look();
      document.getElementById("lost").hidden = true;
      wait = Math.min(Math.max(EVERY_MS, 10 * (performance.now() - begun)), MOST_MS);
    } catch {
      document.getElementById("lost").hidden = false;
      wait = Math.min(wait * 2, MOST_MS);
    }
  }
}

/* As the server sent them: what is on the page changes by scripts and by browsers. */
const shown = new Map([...document.querySelectorAll("[data-live]")].map((each) => [each.id, each.outerHTML]));
sayTimes();
follow();
