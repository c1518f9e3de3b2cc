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

/** A link to a line of a text field selects that line. */
function lines(): void {
  for (const link of document.querySelectorAll<HTMLAnchorElement>("a[data-line]")) {
    const field = document.querySelector<HTMLTextAreaElement>(link.hash);
    link.addEventListener("click", (click) => {
      if (!field) return;
      click.preventDefault();
      const before = field.value.split("\n").slice(0, Number(link.dataset.line) - 1);
      const start = before.reduce((sum, line) => sum + line.length + 1, 0);
      const end = field.value.indexOf("\n", start);
      field.focus();
      field.setSelectionRange(start, end < 0 ? field.value.length : end);
      const height = parseFloat(getComputedStyle(field).lineHeight) || 20;
      field.scrollTop = Math.max(0, before.length * height - field.clientHeight / 2);
      field.scrollIntoView({ block: "center" });
    });
  }
}

/** A menu closes by Escape, which leads back to its button, and when one goes on elsewhere. */
function menus(): void {
  for (const menu of document.querySelectorAll<HTMLDetailsElement>("details[data-menu]")) {
    menu.addEventListener("keydown", (press) => {
      if (press.key !== "Escape" || !menu.open) return;
      menu.open = false;
      menu.querySelector("summary")?.focus();
    });
    for (const kind of ["focusin", "pointerdown"] as const) {
      document.addEventListener(kind, (event) => {
        if (event.target instanceof Node && !menu.contains(event.target)) menu.open = false;
      });
    }
  }
}

/** What an app keeps on this device of somebody is in caches named `own:WHO:…`; those of others are let go of, on
 * every page, and all of them when somebody signs out. */
function forgetting(): void {
  const who = document.documentElement.dataset.who;
  if (!("caches" in window) || !who) return; // no caches but on secure origins; a page of an error is nobody's
  const forget = async (mine: string) => {
    for (const name of await caches.keys()) {
      if (name.startsWith("own:") && !(mine && name.startsWith(mine))) await caches.delete(name);
    }
  };
  void forget(`own:${encodeURIComponent(who)}:`);
  document.addEventListener("submit", (event) => {
    if ((event.target as Element).getAttribute("action") === "/sign-out") void forget("");
  });
}

copying();
forgetting();
menus();
marking();
lines();
document.documentElement.dataset.ready = "";
