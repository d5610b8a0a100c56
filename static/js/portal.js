// What every page can do with a script. Everything works without it too, only less comfortably.

const $ = (selector, within = document) => within.querySelector(selector);
const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];

/** Calls `act(element, event)` for events on elements that match, now and after htmx swapped them. */
function on(type, selector, act, options) {
  document.addEventListener(type, (event) => {
    const element = event.target.closest?.(selector);
    if (element) act(element, event);
  }, options);
}

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function kept(name, fallback) {
  try {
    return localStorage.getItem(name) ?? fallback;
  } catch {
    return fallback;
  }
}

function keep(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // Storage is switched off: the choice holds for this page only.
  }
}

// What asks a host again and again does so only for somebody who looks. (A condition in hx-trigger would be evaluated as a script.)
document.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden && event.target.matches("[data-while-seen]")) event.preventDefault();
});

// Notices -----------------------------------------------------------------------------------------------------------

on("click", "[data-dismiss]", (button) => button.closest(".notice").remove());

/** Shows a notice in the corner. One with the same text is not shown twice. */
function toast(text, { reload = false } = {}) {
  const place = $("#toasts");
  if ($$(".message-text", place).some((shown) => shown.textContent === text)) return;
  const notice = make("div", { class: "notice message bad" }, make("p", { class: "message-text" }, text));
  if (reload) {
    const again = make("button", { type: "button", class: "button small" }, "Reload");
    again.addEventListener("click", () => location.reload());
    notice.append(again);
  }
  notice.append(make("button", { type: "button", class: "dismiss", "data-dismiss": "", "aria-label": "Dismiss" }, "✕"));
  place.append(notice);
}

const ANSWERS = {
  400: "The portal did not understand the request. Reload the page and try again.",
  401: "Your session ended. Reload the page to sign in again.",
  403: "The portal refused: you may not do this, or this page was open too long. Reload it and try again.",
  404: "This is not there any more: somebody may have removed it.",
  409: "Somebody changed this at the same time. Reload the page to see how it is now.",
  429: "Too many tries. Wait a while before you go on.",
};

document.addEventListener("htmx:responseError", (event) => {
  const status = event.detail.xhr.status;
  toast(ANSWERS[status] || `The portal could not answer (error ${status}). Nothing on this page was changed by it. Reload, and if it happens again, tell your administrator.`, { reload: true });
});
document.addEventListener("htmx:sendError", () => {
  toast("The portal cannot be reached: the network or the portal is down. What runs on the hosts goes on.", { reload: true });
});
document.addEventListener("htmx:timeout", () => toast("The portal takes too long to answer.", { reload: true }));
document.addEventListener("htmx:afterOnLoad", (event) => {
  if (event.detail.successful === false) return;
  for (const notice of $$("#toasts .notice")) notice.remove();
});

on("click", "[data-print]", () => window.print());

// Copying -----------------------------------------------------------------------------------------------------------

async function toClipboard(text) {
  if (navigator.clipboard && window.isSecureContext) return navigator.clipboard.writeText(text);
  // Over plain HTTP browsers offer only the old way.
  const area = make("textarea", { class: "visually-hidden", readonly: "" });
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (!done) throw new Error("copying was refused");
}

on("click", "[data-copy], [data-copy-text]", async (button) => {
  const text = button.dataset.copyText ?? $(button.dataset.copy)?.textContent ?? "";
  try {
    await toClipboard(text);
  } catch {
    toast("The browser did not allow copying. Select the text and copy it by hand.");
    return;
  }
  const label = button.getAttribute("aria-label");
  button.classList.add("copied");
  button.setAttribute("aria-label", "Copied");
  setTimeout(() => {
    button.classList.remove("copied");
    if (label) button.setAttribute("aria-label", label);
    else button.removeAttribute("aria-label");
  }, 1500);
});

// Light and dark ----------------------------------------------------------------------------------------------------

function showTheme(choice) {
  const root = document.documentElement;
  if (choice === "system") delete root.dataset.theme;
  else root.dataset.theme = choice;
  for (const button of $$("[data-theme-choice]")) button.setAttribute("aria-pressed", String(button.dataset.themeChoice === choice));
}

on("click", "[data-theme-choice]", (button) => {
  keep("theme", button.dataset.themeChoice);
  showTheme(button.dataset.themeChoice);
});
showTheme(kept("theme", "system"));
window.addEventListener("storage", (event) => event.key === "theme" && showTheme(event.newValue || "system"));

// Lists with ticks --------------------------------------------------------------------------------------------------

const ticks = (form) => $$('tbody input[type="checkbox"][name]', form);
let lastTicked = null;

function countTicks(form) {
  const boxes = ticks(form);
  const ticked = boxes.filter((box) => box.checked).length;
  const everything = $('input[name="all"]', form)?.checked ?? false;
  const all = $("[data-tick-all]", form);
  if (all) {
    all.checked = boxes.length > 0 && ticked === boxes.length;
    all.indeterminate = ticked > 0 && ticked < boxes.length;
  }
  for (const button of $$(".bulk button", form)) button.disabled = !ticked && !everything;
  const place = $(".bulk-number", form) || $(".bulk", form)?.appendChild(make("output", { class: "bulk-number" }));
  if (place) place.textContent = everything ? "" : ticked ? `${ticked} ticked` : "tick some first";
}

on("change", "form[data-bulk]", (form, event) => {
  if (event.target.matches("[data-tick-all]")) for (const box of ticks(form)) box.checked = event.target.checked;
  countTicks(form);
});
on("click", 'form[data-bulk] tbody input[type="checkbox"]', (box, event) => {
  const boxes = ticks(box.form);
  if (event.shiftKey && boxes.includes(lastTicked)) {
    const [from, to] = [boxes.indexOf(lastTicked), boxes.indexOf(box)].sort((a, b) => a - b);
    for (const between of boxes.slice(from, to + 1)) between.checked = box.checked;
  }
  lastTicked = box;
});
const countAll = () => $$("form[data-bulk]").forEach(countTicks);
document.addEventListener("htmx:afterSettle", countAll);
countAll();

// Questions before dangerous buttons, and no sending twice ----------------------------------------------------------

/** Asks in a dialog; resolves to true when the named button was pressed. */
function ask(text, act, dangerous) {
  const go = make("button", { class: `button primary${dangerous ? " danger" : ""}`, value: "yes" }, act);
  const stay = make("button", { class: "button", value: "", autofocus: "" }, "Cancel");
  const form = make("form", { method: "dialog" }, make("p", { id: "question" }, text), make("div", { class: "form-actions" }, stay, go));
  const dialog = make("dialog", { "aria-labelledby": "question" }, form);
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
  });
}

const nameOf = (element) => element.textContent.trim().replace(/\s+/g, " ") || element.value || "Go on";
const confirmed = new WeakSet();

document.addEventListener("submit", async (event) => {
  const { target: form, submitter } = event;
  const asks = submitter?.dataset.confirm || form.dataset.confirm;
  if (!asks || confirmed.delete(submitter || form)) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  const button = submitter || $("button:not([type=button])", form);
  if (!(await ask(asks, nameOf(button), button.classList.contains("danger")))) return;
  confirmed.add(submitter || form);
  form.requestSubmit(submitter);
}, { capture: true });

document.addEventListener("htmx:confirm", async (event) => {
  const element = event.detail.elt;
  if (element.matches("form") || !element.dataset.confirm) return;
  event.preventDefault();
  if (await ask(element.dataset.confirm, nameOf(element), element.classList.contains("danger"))) event.detail.issueRequest(true);
});

on("click", "a[data-confirm][href]", async (link, event) => {
  event.preventDefault();
  if (await ask(link.dataset.confirm, nameOf(link), link.classList.contains("danger"))) location.assign(link.href);
});

const SENDING = 15000; // ms after which a form may be sent again, should the answer never come

document.addEventListener("submit", (event) => {
  const { target: form, submitter } = event;
  if (event.defaultPrevented || form.method !== "post" || form.matches("[data-stay], [hx-post], [data-hx-post]")) return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "yes";
  submitter?.setAttribute("aria-busy", "true");
  const buttons = $$("button:not([type=button])", form).filter((button) => !button.disabled);
  // A disabled button is not sent: its name has to be in the request first.
  setTimeout(() => buttons.forEach((button) => { button.disabled = true; }));
  const free = () => {
    delete form.dataset.sent;
    submitter?.removeAttribute("aria-busy");
    for (const button of buttons) button.disabled = false;
  };
  setTimeout(free, SENDING);
  window.addEventListener("pageshow", free, { once: true });
});

// Times that go on --------------------------------------------------------------------------------------------------

const SPANS = [["day", 86400], ["h", 3600], ["min", 60], ["s", 1]];

function relative(moment) {
  const seconds = Math.trunc((Date.now() - moment) / 1000);
  const distance = Math.abs(seconds);
  if (distance < 5) return "just now";
  const [unit, length] = SPANS.find(([, span]) => distance >= span);
  const number = Math.floor(distance / length);
  const said = `${number} ${unit === "day" && number !== 1 ? "days" : unit}`;
  return seconds > 0 ? `${said} ago` : `in ${said}`;
}

function tick() {
  if (document.hidden) return;
  for (const time of $$("time[data-relative]")) {
    const said = relative(Date.parse(time.dateTime));
    if (time.textContent !== said) time.textContent = said;
  }
}

setInterval(tick, 10000);
document.addEventListener("visibilitychange", tick);

// Keys --------------------------------------------------------------------------------------------------------------

const keysOn = () => kept("shortcuts", "on") === "on";
let afterG = 0;

function showKeys() {
  const pages = $$("#menu a[data-key]").map((link) => [`g ${link.dataset.key}`, link.firstChild.nextSibling.textContent.trim()]);
  const rows = [["?", "These shortcuts"], ["/", "Search on this page"], ...pages];
  const list = make("dl", { class: "keys" });
  for (const [keys, does] of rows) {
    const dt = make("dt");
    keys.split(" ").forEach((key) => dt.append(make("kbd", {}, key), " "));
    list.append(dt, make("dd", {}, does));
  }
  const box = make("input", { type: "checkbox", id: "shortcuts-on" });
  box.checked = keysOn();
  box.addEventListener("change", () => keep("shortcuts", box.checked ? "on" : "off"));
  const close = make("button", { class: "button primary", autofocus: "" }, "Close");
  const dialog = make("dialog", { "aria-labelledby": "shortcuts-title" },
    make("h2", { id: "shortcuts-title" }, "Shortcuts"), list,
    make("p", {}, make("label", { for: "shortcuts-on" }, box, " Shortcuts are on")),
    make("form", { method: "dialog", class: "form-actions" }, close));
  document.body.append(dialog);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.showModal();
}

on("click", "[data-shortcuts]", showKeys);

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || !keysOn()) return;
  if (event.target.closest("input, select, textarea, dialog, [contenteditable]")) return;
  if (event.key === "?") showKeys();
  else if (event.key === "/") {
    const search = $$('main input[type="search"]').find((input) => input.offsetParent);
    if (!search) return;
    search.focus();
    search.select();
  } else if (event.key === "g") {
    afterG = event.timeStamp;
    return;
  } else if (event.timeStamp - afterG < 1500) {
    const link = $(`#menu a[data-key="${CSS.escape(event.key)}"]`);
    afterG = 0;
    if (!link) return;
    location.assign(link.href);
  } else return;
  event.preventDefault();
});
