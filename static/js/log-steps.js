// The row above the lines of a step: folds them, and says how the step stands.

const WORDS = {
  pending: "pending", running: "running", succeeded: "succeeded", failed: "failed", unknown: "unknown", cancelled: "cancelled", skipped: "skipped",
};
const SIGNS = { pending: "○", running: "▶", succeeded: "✓", failed: "✗", unknown: "?", cancelled: "■", skipped: "–" };
const NUMBERS = new Intl.NumberFormat("en");

export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

export class Header {
  constructor(fold, now) {
    this.fold = fold;
    this.now = now;
  }

  // A new row, or the old one brought up to date.
  row(step, count, folded, old) {
    const row = old ?? this.#build(step);
    const button = row.firstElementChild;
    const said = `${step.state} ${folded} ${this.#facts(step, count)}`;
    if (row.says === said) return row;
    row.says = said;
    row.dataset.state = step.state;
    button.setAttribute("aria-expanded", String(!folded));
    button.querySelector(".log-sign").textContent = SIGNS[step.state] ?? "·";
    button.querySelector(".log-facts").textContent = this.#facts(step, count);
    return row;
  }

  #build(step) {
    const row = document.createElement("div");
    row.className = "log-row log-step";
    const button = document.createElement("button");
    button.type = "button";
    button.addEventListener("click", () => this.fold(step.index));
    for (const [name, text] of [["fold", ""], ["sign", ""], ["title", `${step.index + 1}. ${step.title}`], ["facts", ""]]) {
      const part = document.createElement("span");
      part.className = `log-${name}`;
      part.textContent = text;
      button.append(part);
    }
    for (const name of ["fold", "sign"]) button.querySelector(`.log-${name}`).setAttribute("aria-hidden", "true");
    row.append(button);
    return row;
  }

  #facts(step, count) {
    const { label, done, total, detail } = step.progress ?? {};
    const progress = step.state === "running" && label ? `${label}${total ? ` ${done} of ${total}` : ""}${detail ? `, ${detail}` : ""}` : "";
    const time = step.started ? duration((step.ended ?? this.now()) - step.started) : "";
    const lines = `${NUMBERS.format(count)} ${count === 1 ? "line" : "lines"}`;
    return [WORDS[step.state] ?? step.state, progress, time, lines].filter(Boolean).join(" · ");
  }
}
