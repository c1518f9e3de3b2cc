// What every page has: partial updates, live parts, copying.
import "htmx.org/dist/htmx.esm.min.js";
import "htmx.org/dist/ext/hx-sse.min.js";

function copying(): void {
  if (!navigator.clipboard) return;
  for (const button of document.querySelectorAll<HTMLButtonElement>("button[data-copy]")) {
    button.hidden = false;
    const label = button.querySelector(".kern-label");
    button.addEventListener("click", async () => {
      if (!label) return;
      const before = label.textContent;
      await navigator.clipboard.writeText(button.dataset.copy ?? "");
      label.textContent = button.dataset.done ?? "";
      setTimeout(() => (label.textContent = before), 2000);
    });
  }
}

/** Values that have just changed are marked for a moment. */
function marking(): void {
  for (const part of document.querySelectorAll<HTMLElement>("[data-mark]")) {
    new MutationObserver((changes) => {
      for (const change of changes) {
        const at = change.target instanceof Element ? change.target : change.target.parentElement;
        const cell = at?.closest<HTMLElement>("[data-value]");
        if (!cell) continue;
        cell.classList.remove("changed");
        void cell.offsetWidth; // lets the animation begin again
        cell.classList.add("changed");
      }
    }).observe(part, { subtree: true, childList: true, characterData: true });
  }
}

copying();
marking();
document.documentElement.dataset.ready = "";
