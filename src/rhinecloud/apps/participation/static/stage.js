// What a screen reader says of the stage: at once when another poll, its end or its result is shown, and else at most
// twice a minute, for numbers that change four times a second are no text.
const PAUSE = 30_000;
const stage = document.getElementById("stage");
const spoken = document.getElementById("spoken");
let at = stage.querySelector("#said")?.dataset.at;
let said = stage.querySelector("#said")?.dataset.say;
let last = performance.now();
let waiting = 0;

function say() {
  waiting = 0;
  const now = stage.querySelector("#said");
  if (!now || now.dataset.say === said) return;
  said = now.dataset.say;
  last = performance.now();
  spoken.textContent = said;
}

new MutationObserver(() => {
  const now = stage.querySelector("#said");
  if (!now) return;
  if (now.dataset.at !== at) {
    at = now.dataset.at;
    clearTimeout(waiting);
    say();
  } else if (!waiting && now.dataset.say !== said) {
    waiting = setTimeout(say, Math.max(0, last + PAUSE - performance.now()));
  }
}).observe(stage, { subtree: true, childList: true, attributes: true, attributeFilter: ["data-say", "data-at"] });
