// The page of one operation. The log's script hears what happens and says so on the document; progress is drawn here at once,
// everything else is asked for by htmx.

const part = (place, name) => place.querySelector(`.progress-${name}`);

document.addEventListener("portal:progress", ({ detail }) => {
  const place = document.querySelector(`.step-progress[data-step="${Number(detail.index)}"]`);
  if (!place) return;
  const { label = "", done = 0, total = 0, detail: more = "" } = detail;
  const bar = place.querySelector("progress");
  bar.hidden = false;
  if (total) {
    bar.max = total;
    bar.value = done;
  } else bar.removeAttribute("value");
  part(place, "count").textContent = total ? `${done} of ${total}` : "";
  part(place, "label").textContent = label;
  part(place, "detail").textContent = more;
  place.hidden = !label && !total;
});

// What is typed into a form stays in it, as long as the form itself does.
document.addEventListener("htmx:oobBeforeSwap", ({ detail: { target, fragment } }) => {
  if (target.id !== "decide") return;
  for (const input of target.querySelectorAll("textarea[id], input[id]")) {
    const other = fragment.querySelector(`#${CSS.escape(input.id)}`);
    if (!other) continue;
    if (input.type === "radio" || input.type === "checkbox") other.checked = input.checked;
    else other.value = input.value;
  }
});

// Who was signed out elsewhere keeps what they read: the log beside it says so, within seconds and by itself.
document.addEventListener("htmx:beforeOnLoad", (event) => {
  const { elt, xhr } = event.detail;
  const log = document.querySelector(".log-live");
  if (elt.id === "watch" && xhr.getResponseHeader("HX-Redirect") && log?.checkVisibility()) event.preventDefault();
});
