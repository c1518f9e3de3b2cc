// What is entered in the street is kept on the device until the city has it, and counts there once, by its key.

const LONGEST = 1600; // pixels of a photograph
const AGAIN = 10_000; // ms between attempts
const outbox = document.getElementById("outbox");
const form = document.getElementById("street");

function key() {
  const bytes = crypto.getRandomValues(new Uint8Array(16)); // randomUUID is for secure origins only
  bytes[6] = (bytes[6] & 15) | 64;
  bytes[8] = (bytes[8] & 63) | 128;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

const database = new Promise((resolve, reject) => {
  const opening = indexedDB.open("lighting-work", 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore("entries", { keyPath: "place", autoIncrement: true });
  opening.onsuccess = () => resolve(opening.result);
  opening.onerror = () => reject(opening.error);
});

/** Run `act` on the store; resolves when it is on the disk. */
async function kept(mode, act) {
  const transaction = (await database).transaction("entries", mode);
  const request = act(transaction.objectStore("entries"));
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve(request.result);
    transaction.onabort = () => reject(transaction.error);
  });
}

const waiting = () => kept("readonly", (store) => store.getAll());
const drop = (entry) => kept("readwrite", (store) => store.delete(entry.place));
const change = (entry) => kept("readwrite", (store) => store.put(entry));

/** A photograph as small as it still says what there is: pages take five million bytes. */
async function smaller(file) {
  try {
    const picture = await createImageBitmap(file, { imageOrientation: "from-image" });
    const scale = Math.min(1, LONGEST / Math.max(picture.width, picture.height));
    const canvas = document.createElement("canvas");
    canvas.width = Math.max(1, Math.round(picture.width * scale));
    canvas.height = Math.max(1, Math.round(picture.height * scale));
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
    return (await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.85))) ?? file;
  } catch {
    return file; // the city says what is wrong with it
  }
}

function draft() {
  return `lighting-work-${outbox.dataset.order}`;
}

async function show(text = "") {
  const entries = await waiting();
  const own = entries.filter((entry) => entry.order === outbox.dataset.order);
  const lines = [];
  for (const entry of entries) {
    const line = document.createElement("p");
    const what = `${entry.label}${entry.order === outbox.dataset.order ? "" : ` (${entry.order})`}`;
    line.textContent = entry.problem ? `${what}: ${entry.problem}` : `${outbox.dataset.waiting} ${what}`;
    lines.push(line);
    if (entry.final) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "kern-btn kern-btn--secondary";
      button.textContent = outbox.dataset.drop;
      button.addEventListener("click", async () => {
        await drop(entry);
        await show();
      });
      lines.push(button);
    }
  }
  if (!lines.length && text) {
    const line = document.createElement("p");
    line.textContent = text;
    lines.push(line);
  }
  outbox.replaceChildren(...lines);
  outbox.dataset.left = String(own.length);
}

/** true: taken; false: later; a text: never. */
async function send(entry) {
  const body = new FormData();
  for (const name of ["key", "event", "note", "entered_at"]) body.set(name, entry[name]);
  if (entry.photo) body.set("photo", entry.photo, "photo.jpg");
  let answer;
  try {
    answer = await fetch(entry.url, { method: "POST", body, headers: { Accept: "application/json" }, redirect: "manual" });
  } catch {
    return false; // no network
  }
  if (answer.ok) return true;
  if (answer.type === "opaqueredirect" || answer.status === 401 || answer.status === 403) return { later: outbox.dataset.signin };
  if (answer.status >= 500 || answer.status === 429 || answer.status === 408) return false;
  return { never: `${outbox.dataset.refused} ${answer.status}` };
}

let sending = false;

/** Send what waits, the oldest first. */
async function flush() {
  if (sending) return;
  sending = true;
  let taken = 0;
  let mine = 0;
  try {
    for (const entry of await waiting()) {
      if (entry.final) continue;
      const outcome = await send(entry);
      if (outcome === true) {
        await drop(entry);
        taken += 1;
        mine += entry.order === outbox.dataset.order ? 1 : 0;
      } else if (outcome === false) {
        break; // those behind it keep their order
      } else {
        await change({ ...entry, problem: outcome.later ?? outcome.never, final: Boolean(outcome.never) });
        if (outcome.later) break;
      }
    }
  } finally {
    sending = false;
  }
  await show(taken ? outbox.dataset.sent : "");
  const note = form?.elements.namedItem("note");
  if (mine && !(note && note.value)) location.reload(); // shows what became of it
}

// Without a network the pages are opened by a service worker, as they were when it kept them (orders-worker.js).
const LIST = "/lighting/orders";
const asOf = document.documentElement.dataset.asOf;
const offline = document.getElementById("offline");

function sayOffline() {
  const at = new Date(asOf);
  const today = at.toDateString() === new Date().toDateString();
  const time = at.toLocaleString(document.documentElement.lang, { ...(today ? {} : { dateStyle: "short" }), timeStyle: "short" });
  const lines = [`${offline.dataset.asOf} ${time}`, offline.dataset.later];
  if (new URLSearchParams(location.search).has("kept")) lines.push(offline.dataset.notKept);
  offline.replaceChildren(
    ...lines.map((text, place) => {
      const line = document.createElement("p");
      line.append(place ? text : Object.assign(document.createElement("strong"), { textContent: text }));
      return line;
    }),
  );
  offline.hidden = false;
}

/** Show the page as it is now, as soon as it can be had and nothing that was typed is lost by it. */
async function lookAgain() {
  const typed = form?.elements.namedItem("note").value || form?.elements.namedItem("photo").files.length;
  if (!asOf || typed) return;
  try {
    const answer = await fetch(location.pathname, { redirect: "manual" });
    if (answer.ok || answer.type === "opaqueredirect") location.replace(location.pathname);
  } catch {
    // still no network
  }
}

/** Have the orders of this page kept, and the list if it is one. */
async function keep() {
  if (!navigator.serviceWorker) return; // there is none but on secure origins
  await navigator.serviceWorker.register(`${LIST}/worker.js`, { scope: LIST, updateViaCache: "none" });
  const asked = new URLSearchParams(location.search);
  if (asOf || asked.has("closed") || asked.has("before")) return;
  const worker = (await navigator.serviceWorker.ready).active;
  navigator.serviceWorker.addEventListener("message", () => (outbox.dataset.kept = ""));
  const now = new Date().toISOString();
  const shown = [...document.querySelectorAll("a.order")].map((card) => ({ path: card.pathname, changed: card.dataset.changed }));
  const orders = location.pathname === LIST ? shown : [{ path: location.pathname, changed: now }];
  const list = location.pathname === LIST ? location.pathname + location.search : null;
  worker.postMessage({ who: document.documentElement.dataset.who, list, orders });
}

if (outbox) {
  if (asOf) sayOffline();
  if (form) {
    const note = form.elements.namedItem("note");
    note.value ||= localStorage.getItem(draft()) ?? "";
    note.addEventListener("input", () => localStorage.setItem(draft(), note.value));
    form.addEventListener("submit", async (submit) => {
      submit.preventDefault();
      const button = submit.submitter;
      const photo = form.elements.namedItem("photo").files[0];
      if (button?.value === "note" && !note.value.trim() && !photo) return note.focus();
      button.disabled = true;
      try {
        const entry = {
          key: key(),
          order: outbox.dataset.order,
          url: new URL(form.action).pathname,
          event: button?.value ?? "note",
          label: button?.textContent.trim() ?? "",
          note: note.value,
          entered_at: new Date().toISOString(),
          photo: photo ? await smaller(photo) : null,
        };
        try {
          await kept("readwrite", (store) => store.add(entry));
        } catch {
          // This browser keeps nothing: send it as a form, which needs the network.
          const event = document.createElement("input");
          Object.assign(event, { type: "hidden", name: "event", value: entry.event });
          form.append(event);
          return form.submit();
        }
        localStorage.removeItem(draft());
        form.reset();
        note.value = "";
        await show();
      } finally {
        button.disabled = false;
      }
      await flush();
    });
  }
  const again = () => flush().then(lookAgain);
  addEventListener("online", again);
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && again());
  setInterval(again, AGAIN);
  await show();
  await flush();
  outbox.dataset.ready = "";
  await keep().catch((problem) => console.warn(problem));
}
