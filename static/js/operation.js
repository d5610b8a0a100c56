// The page of one operation. The log's script hears what happens and says so on the document; progress is drawn here at once,
// everything else is asked for by htmx.

const part = (place, name) => place.querySelector(`.progress-${name}`);

document.addEventListener("portal:progress", ({ detail }) => {
  const place = document.querySelector(`.step-progress[data-step="${Number(detail.index)}"]`);
  if (!place) return;
  const { label = "", done = 0, total = 0, detail: more = "" } = detail;
  const bar = place.querySelector("progress");
  if (total) {
    bar.max = total;
    bar.value = done;
  } else bar.removeAttribute("value");
  part(place, "count").textContent = total ? `${done} of ${total}` : "";
  part(place, "label").textContent = label;
  part(place, "detail").textContent = more;
  place.hidden = !label && !total;
});

// Typed into a form on this page: it stays, whatever is refreshed around it.
document.addEventListener("htmx:oobBeforeSwap", (event) => {
  const { target } = event.detail;
  if (target.id === "decide" && [...target.querySelectorAll("textarea, input[type=password]")].some((input) => input.value)) {
    event.detail.shouldSwap = !target.querySelector("form[action$='/approve/']") || event.detail.fragment.querySelector?.("form[action$='/approve/']") === null;
  }
});
