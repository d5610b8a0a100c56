// How far a build is: what a person opened stays open when the part is asked for again.

const opened = new Map();

document.addEventListener("toggle", ({ target }) => {
  if (target.matches?.("#build-progress details[id]")) opened.set(target.id, target.open);
}, { capture: true });

document.addEventListener("htmx:afterSwap", () => {
  for (const [id, open] of opened) {
    const details = document.getElementById(id);
    if (details) details.open = open;
  }
});
