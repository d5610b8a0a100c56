// Runs before the first paint, so that the page never flashes in the other colours. Not a module: modules run too late.
(() => {
  const root = document.documentElement;
  root.dataset.script = "on";
  let kept = "system";
  try {
    kept = localStorage.getItem("theme") || "system";
  } catch {
    // Storage is switched off: the system decides.
  }
  if (kept === "light" || kept === "dark") root.dataset.theme = kept;
})();
