// The wizard's form: what is typed is never lost, whatever the portal answers meanwhile.

const form = document.getElementById("wizard");
const live = Boolean(form?.hasAttribute("hx-post"));
const said = document.getElementById("kept");

let kept = new Map(); // by id, what the portal has of each input
let sending = null; // the same, on its way
let own = false; // what is put in now is the answer to what was sent, not to a question after the worker
let composing = false; // a character is being put together by an input method
let submitted = false;
let pressed = null; // a button that was pressed while something was on its way

const inputs = (within) => [...within.querySelectorAll("input[id], select[id], textarea[id]")];
const ticked = (input) => input.type === "checkbox" || input.type === "radio";

function value(input) {
  if (ticked(input)) return input.checked;
  return input.multiple ? [...input.selectedOptions].map((option) => option.value).join("\n") : input.value;
}

/** The value that the portal sent, whatever was typed before this script ran or the browser put back by itself. */
function sentValue(input) {
  if (ticked(input)) return input.defaultChecked;
  if (!input.options) return input.defaultValue;
  const chosen = [...input.options].filter((option) => option.defaultSelected);
  if (input.multiple) return chosen.map((option) => option.value).join("\n");
  return (chosen.at(-1) ?? input.options[0])?.value ?? "";
}

function put(input, wanted) {
  if (ticked(input)) input.checked = wanted;
  else if (input.multiple) for (const option of input.options) option.selected = wanted.split("\n").includes(option.value);
  else input.value = wanted;
}

/** Writes the values into the attributes, so that two copies of a form can be compared. */
function reflect(within) {
  for (const input of inputs(within)) {
    if (ticked(input)) input.toggleAttribute("checked", input.checked);
    else if (input.options) for (const option of input.options) option.toggleAttribute("selected", option.selected);
    else if (input.tagName === "TEXTAREA") input.defaultValue = input.value;
    else input.setAttribute("value", input.value);
  }
}

const snapshot = (within, read = value) => new Map(inputs(within).map((input) => [input.id, read(input)]));
const dirty = () => inputs(form).some((input) => kept.get(input.id) !== value(input));

function tell(text) {
  if (said.textContent !== text) said.textContent = text;
}

// Fields that come back are put in only where they say something new, and never over what was typed since.
function arrived(event) {
  const { target, fragment } = event.detail;
  if (target.id !== "fields") return;
  if (!own && dirty()) {
    event.detail.shouldSwap = false; // what this window knows is told with what it sends next
    return;
  }
  const fresh = fragment.id === "fields" ? fragment : fragment.querySelector("#fields");
  if (!own) kept = snapshot(fresh);
  for (const input of inputs(target)) {
    const other = fresh.querySelector(`#${CSS.escape(input.id)}`);
    if (own && other && kept.get(input.id) !== value(input)) put(other, value(input));
  }
  const name = "[name=portal-seen]";
  target.querySelector(name).setAttribute("value", fresh.querySelector(name).value);
  reflect(target);
  reflect(fresh);
  if (composing || target.isEqualNode(fresh)) event.detail.shouldSwap = false;
}

// Questions after the worker and what is sent never overlap: hx-sync lets them wait for each other.
function answering(event) {
  const { requestConfig, xhr } = event.detail;
  own = requestConfig.elt === form;
  if (own && xhr.getResponseHeader("Portal-Kept") === "yes") kept = sending || kept;
}

function answered(event) {
  const { elt, xhr, successful } = event.detail;
  if (elt !== form) return;
  if (!successful) tell("Not kept: the portal did not answer. It is tried again with your next change.");
  else tell(xhr.getResponseHeader("Portal-Kept") === "yes" ? "Kept." : "Not kept: see below.");
  sending = null;
  if (pressed) setTimeout(again);
}

/** Presses it again: the answer may have taken its button away. */
function again() {
  if (form.classList.contains("htmx-request")) return; // and once more when that is over
  const button = document.createElement("button");
  Object.assign(button, { name: pressed.name, value: pressed.value, hidden: true });
  pressed = null;
  form.append(button);
  form.requestSubmit(button);
  button.remove();
}

function leaving() {
  if (submitted || !dirty()) return;
  // The browser sends this even though the page is closed.
  fetch(form.getAttribute("hx-post"), { method: "POST", body: new FormData(form), keepalive: true, headers: { "HX-Request": "true" } });
}

function start() {
  kept = snapshot(form, sentValue);
  const keep = () => dirty() && form.dispatchEvent(new Event("change"));
  window.addEventListener("load", keep);
  // A phone may end a page that is not seen without a word.
  document.addEventListener("visibilitychange", () => document.hidden && keep());
  document.addEventListener("htmx:oobBeforeSwap", arrived);
  document.addEventListener("htmx:beforeSwap", answering);
  document.addEventListener("htmx:afterRequest", answered);
  document.addEventListener("htmx:configRequest", (event) => {
    if (event.detail.elt !== form) return;
    sending = snapshot(form);
    tell("Keeping …");
  });
  form.addEventListener("compositionstart", () => { composing = true; });
  form.addEventListener("compositionend", () => { composing = false; });
  document.addEventListener("submit", (event) => {
    if (event.target !== form) return;
    if (form.classList.contains("htmx-request")) {
      event.preventDefault();
      event.stopImmediatePropagation();
      pressed = { name: event.submitter?.name ?? "", value: event.submitter?.value ?? "" };
    } else submitted = true;
  }, { capture: true });
  window.addEventListener("pagehide", leaving);
}

// A page out of the browser's memory does not know what was changed since.
window.addEventListener("pageshow", (event) => event.persisted && location.reload());
if (live) start();
