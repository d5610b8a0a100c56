// Moves pull requests up, down and out of the list: the text field stays the truth, the buttons only rewrite it.

const MOVES = {
  up: (lines, at) => lines.splice(at - 1, 2, lines[at], lines[at - 1]),
  down: (lines, at) => lines.splice(at, 2, lines[at + 1], lines[at]),
  out: (lines, at) => lines.splice(at, 1),
};

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-patch-move]");
  const field = document.querySelector("textarea[data-patches]");
  if (!button || !field) return;
  const lines = field.value.split(/[\s,]+/).filter(Boolean);
  const at = Number(button.dataset.patch);
  if (at >= lines.length) return;
  MOVES[button.dataset.patchMove](lines, at);
  field.value = lines.join("\n");
  field.dispatchEvent(new Event("input", { bubbles: true }));
});
