// Lines that were picked: part of the address (#L120 or #L120-L140), copied as text or as a link.

import { plain } from "./ansi.js";

const AT_ONCE = 1000;
const MOST = 20_000;

export function fromAddress(hash) {
  const match = /^#L([0-9]{1,15})(?:-L?([0-9]{1,15}))?$/.exec(hash);
  if (!match) return null;
  const ends = [Number(match[1]), Number(match[2] ?? match[1])].map((number) => Math.max(0, number - 1));
  return [Math.min(...ends), Math.max(...ends)];
}

export function toAddress([first, last]) {
  return first === last ? `#L${first + 1}` : `#L${first + 1}-L${last + 1}`;
}

export function described([first, last]) {
  const number = (line) => (line + 1).toLocaleString("en");
  return first === last ? `Line ${number(first)}` : `Lines ${number(first)} to ${number(last)}`;
}

// The text of picked lines, without colours. Long lines are as they are shown.
export async function text(lines, [first, last]) {
  if (last - first >= MOST) throw new RangeError(`At most ${MOST.toLocaleString("en")} lines can be copied. Take the raw log instead.`);
  const parts = [];
  for (let from = first; from <= last; from += AT_ONCE) {
    const answer = await lines.range(from, Math.min(AT_ONCE, last - from + 1));
    parts.push(...answer.lines.map((line) => plain(typeof line === "string" ? line : `${line[0]} …`)));
  }
  return `${parts.join("\n")}\n`;
}

// Browsers give the clipboard to secure pages only; the others copy what is selected in a field.
export async function copy(what) {
  if (navigator.clipboard) return navigator.clipboard.writeText(what);
  const field = document.createElement("textarea");
  field.className = "log-clipboard";
  field.value = what;
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  if (!done) throw new Error("The browser did not allow it.");
}
