// The phone of somebody who takes part. A vote is kept here until the city says that it has it: whatever happens to the
// network, the battery or this page in between, it is sent again, with the same revision, and counts once.
const FIRST_PAUSE = 1_000;
const LONGEST_PAUSE = 30_000;
const PATIENCE = 15_000; // milliseconds for an answer

const page = document.getElementById("phone");
const own = document.getElementById("own");
const news = document.getElementById("news");
const PREFIX = `participation:${page.dataset.code}:`;
const NAME = PREFIX + page.dataset.me;
let memory = {}; // where the browser keeps nothing

/** What this person voted, by poll: {fields, revision, state: waiting | received | refused | newer, message}; `counted`
 * are the fields of the one before, if that was received. */
function votes() {
  try {
    return JSON.parse(localStorage.getItem(NAME)) ?? memory;
  } catch {
    return memory;
  }
}

function keep(poll, vote) {
  memory = { ...votes(), [poll]: vote };
  try {
    localStorage.setItem(NAME, JSON.stringify(memory));
  } catch {
    // then it lasts for as long as this page does
  }
}

/** Who joined with another code on this phone before has nothing here any more. */
function forgetOthers() {
  try {
    for (const name of Object.keys(localStorage)) {
      if (name.startsWith(PREFIX) && name !== NAME) localStorage.removeItem(name);
    }
  } catch {
    // nothing is kept here
  }
}

const part = (name) => page.querySelector(`[data-part="${name}"]`);
const form = () => page.querySelector("form[data-vote]");
const shownPoll = () => part("poll")?.dataset.poll ?? "";

/** The vote in the poll that is shown: what this phone knows, or what the city said when the page was made. */
function shownVote() {
  const mine = votes()[shownPoll()];
  const told = own.dataset.poll === shownPoll() ? Number(own.dataset.revision) : 0;
  if (mine && (mine.state === "waiting" || mine.revision >= told)) return mine;
  return told ? { fields: JSON.parse(own.dataset.fields), revision: told, state: "received" } : mine;
}

// Choosing --------------------------------------------------------------------------------------------------

function fieldsOf(filled) {
  const fields = {};
  for (const [name, value] of new FormData(filled)) if (name !== "poll" && value.trim()) fields[name] = value;
  return fields;
}

function fill(filled, fields) {
  for (const field of filled.elements) {
    if (!field.name || field.name === "poll") continue;
    if (field.type === "radio" || field.type === "checkbox") field.checked = fields[field.name] === field.value;
    else field.value = fields[field.name] ?? "";
  }
  filled.dispatchEvent(new Event("filled"));
}

/** What was chosen, in the words of the form. */
function inWords(filled, fields) {
  const words = [];
  for (const [name, value] of Object.entries(fields)) {
    const field = [...filled.elements].find((one) => one.name === name && (one.type !== "radio" || one.value === value));
    if (!field) continue;
    if (field.tagName === "SELECT") words.push([...field.options].find((option) => option.value === value)?.text);
    else if (field.type === "radio" || field.type === "checkbox") words.push(field.dataset.title);
    else words.push(value);
  }
  return words.filter(Boolean);
}

/** Wishes by tapping groups in the order in which one likes them, instead of lists to open. */
function tapping(filled) {
  const lists = [...filled.querySelectorAll("select[data-wish]")];
  if (!lists.length) return;
  const body = lists[0].closest("[data-wishes]");
  const group = document.createElement("div");
  group.className = "picks";
  group.role = "group";
  group.setAttribute("aria-labelledby", "poll-title");
  const chosen = () => lists.map((list) => list.value).filter(Boolean);
  const buttons = [...lists[0].options].slice(1).map((option) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "pick";
    button.id = `wish-of-${option.value}`;
    button.append(document.createElement("span"), document.createElement("span"));
    button.children[0].className = "pick__rank";
    button.children[1].textContent = option.text;
    if (option.dataset.places) {
      const places = document.createElement("span");
      places.className = "pick__places";
      places.textContent = option.dataset.places;
      button.append(places);
    }
    button.addEventListener("click", () => {
      let now = chosen();
      if (now.includes(option.value)) now = now.filter((one) => one !== option.value);
      else if (now.length < lists.length) now = [...now, option.value];
      else now = [...now.slice(0, -1), option.value]; // the last wish makes room
      lists.forEach((list, place) => (list.value = now[place] ?? ""));
      show();
    });
    return [button, option.value];
  });
  const show = () => {
    const now = chosen();
    for (const [button, value] of buttons) {
      const rank = now.indexOf(value) + 1;
      button.setAttribute("aria-pressed", String(rank > 0));
      button.children[0].textContent = rank ? body.dataset.wish.replace("0", String(rank)) : "";
    }
  };
  group.append(...buttons.map(([button]) => button));
  body.before(group);
  body.hidden = true;
  for (const list of lists) list.required = false; // hidden ones cannot be pointed at
  filled.addEventListener("filled", show);
  show();
}

/** Whether enough was chosen, and not too much; says so otherwise. */
function complete(filled) {
  const count = Object.keys(fieldsOf(filled)).length;
  const wrong = count < Number(filled.dataset.least) ? "least" : count > Number(filled.dataset.most) ? "most" : "";
  for (const hint of filled.querySelectorAll("[data-wrong]")) hint.hidden = hint.dataset.wrong !== wrong;
  if (wrong) filled.querySelector(".pick, input:not([type=hidden]), textarea")?.focus();
  return !wrong;
}

// Sending ---------------------------------------------------------------------------------------------------

let pause = FIRST_PAUSE;
let timer = 0;
let sending = false;

/** {state, …}: settled; {later: milliseconds}: try again. */
async function send(poll, vote) {
  const body = new URLSearchParams({ ...vote.fields, poll, revision: String(vote.revision) });
  let answer;
  try {
    const signal = AbortSignal.timeout?.(PATIENCE);
    const headers = { Accept: "application/json" };
    answer = await fetch(page.dataset.vote, { method: "POST", body, headers, signal, redirect: "manual" });
    if (answer.ok || answer.status === 409 || answer.status === 422) {
      const said = await answer.json();
      if (said.received) return { state: "received", revision: said.revision };
      if (said.reason === "newer") return { state: "newer", revision: said.revision, fields: said.fields ?? {} };
      return { state: "refused", message: said.message };
    }
  } catch {
    return { later: 0 }; // no network, or no answer in time
  }
  if (answer.type === "opaqueredirect" || (answer.status < 500 && answer.status !== 429 && answer.status !== 408)) {
    return { state: "refused", message: page.dataset.refused };
  }
  return { later: 1_000 * (Number(answer.headers.get("Retry-After")) || 0) };
}

/** Send what waits. */
async function flush() {
  if (sending) return;
  clearTimeout(timer);
  sending = true;
  try {
    for (;;) {
      const next = Object.entries(votes()).find(([, vote]) => vote.state === "waiting");
      if (!next) break;
      const [poll, vote] = next;
      const outcome = await send(poll, vote);
      if ("later" in outcome) {
        // Not all phones of a hall at once when its network is back.
        timer = setTimeout(flush, Math.max(outcome.later, pause) * (0.5 + Math.random()));
        pause = Math.min(2 * pause, LONGEST_PAUSE);
        break;
      }
      pause = FIRST_PAUSE;
      const now = votes()[poll];
      // What was changed while it was on its way is sent next.
      if (now?.revision === vote.revision) {
        keep(poll, { ...vote, ...outcome, counted: outcome.state === "refused" ? vote.counted : undefined });
      }
      else if (now && outcome.revision >= now.revision) keep(poll, { ...now, revision: outcome.revision + 1 });
      show();
    }
  } finally {
    sending = false;
    forgetSecret();
    show();
  }
}

function again() {
  if (document.visibilityState !== "visible" && !navigator.onLine) return;
  pause = FIRST_PAUSE;
  flush();
}

// Showing ---------------------------------------------------------------------------------------------------

function show() {
  const vote = shownVote();
  const filled = form();
  for (const line of own.querySelectorAll("[data-state]")) {
    line.hidden = line.dataset.state !== vote?.state;
  }
  own.dataset.now = vote?.state ?? "";
  own.querySelector("[data-open]").hidden = part("poll").dataset.state !== "open";
  const ticket = document.getElementById("ticket");
  if (ticket) ticket.hidden = part("poll").dataset.kind !== "groups";
  const choice = own.querySelector("[data-choice]");
  if (choice && filled) {
    const words = vote?.fields && vote.state !== "refused" ? inWords(filled, vote.fields) : [];
    const text = words.join(" · ");
    if (choice.textContent !== text) choice.textContent = text;
    choice.hidden = !text;
  }
  const earlier = vote?.state === "refused" ? vote.counted : null;
  const counted = own.querySelector("[data-counted]");
  counted.hidden = !earlier;
  counted.querySelector("span").textContent = earlier && filled ? inWords(filled, earlier).join(" · ") : "";
  const message = own.querySelector("[data-message]");
  if (message) message.textContent = vote?.message ?? "";
  const button = filled?.querySelector("button[data-change]");
  if (button) button.querySelector(".kern-label").textContent = vote ? button.dataset.change : button.dataset.first;
}

/** When a secret poll is closed nothing on this phone says any more what was chosen. */
function forgetSecret() {
  for (const poll of (part("poll")?.dataset.forget ?? "").split(" ").filter(Boolean)) {
    const vote = votes()[poll];
    if (vote && vote.state !== "waiting" && Object.keys({ ...vote.fields, ...vote.counted }).length) {
      keep(poll, { ...vote, fields: {}, counted: vote.counted && {} });
    }
    if (own.dataset.poll === poll) own.dataset.fields = "{}";
  }
}

// Questions -------------------------------------------------------------------------------------------------

const supported = new Set(JSON.parse(page.dataset.supported || "[]"));

function markSupported() {
  for (const filled of page.querySelectorAll("form[data-support]")) {
    if (!supported.has(Number(filled.dataset.support))) continue;
    const done = document.createElement("span");
    done.className = "muted";
    done.textContent = filled.dataset.done;
    filled.replaceWith(done);
  }
}

/** Post a form by hand; what the city said, or null where it was not reached. */
async function post(filled) {
  const body = new URLSearchParams(new FormData(filled));
  try {
    const signal = AbortSignal.timeout?.(PATIENCE);
    const answer = await fetch(filled.action, { method: "POST", body, signal, headers: { Accept: "application/json" } });
    return answer.status < 500 && answer.status !== 429 ? await answer.json() : null;
  } catch {
    return null;
  }
}

async function ask(filled) {
  const button = filled.querySelector("button");
  button.disabled = true;
  const said = await post(filled);
  button.disabled = false;
  filled.querySelector("[data-unsent]").hidden = said !== null;
  document.getElementById("asked").hidden = !said?.received;
  const wrong = document.getElementById("unasked");
  wrong.hidden = !said?.message;
  wrong.textContent = said?.message ?? "";
  if (!said?.received) return;
  filled.querySelector("textarea").value = "";
  touched = false;
}

async function support(filled) {
  if (!(await post(filled))?.received) return;
  supported.add(Number(filled.dataset.support));
  markSupported();
}

let touched = false;

function begin() {
  touched = false;
  const filled = form();
  if (filled) {
    tapping(filled);
    filled.noValidate = true;
    const vote = shownVote();
    if (vote?.fields && Object.keys(vote.fields).length) fill(filled, vote.fields);
  }
  forgetSecret();
  show();
}

/** The poll on the stage has changed: show it, but keep what is being typed if it is still asked. */
function take(html) {
  const told = new DOMParser().parseFromString(html, "text/html");
  for (const fresh of told.querySelectorAll("[data-part]")) {
    const old = part(fresh.dataset.part);
    if (!old) continue;
    if (page.dataset.me && fresh.dataset.part === "poll") placesChanged(old, fresh);
    if ("forget" in fresh.dataset) old.dataset.forget = fresh.dataset.forget;
    if (old.dataset.mark === fresh.dataset.mark) continue;
    const focused = old.contains(document.activeElement) ? document.activeElement.id : null;
    const typed = touched && form() && old.contains(form()) && old.dataset.poll === fresh.dataset.poll ? fieldsOf(form()) : null;
    old.replaceWith(document.adoptNode(fresh));
    if (fresh.dataset.part === "poll") {
      begin();
      if (typed && form()) {
        fill(form(), typed);
        touched = true;
      }
      if (news) news.textContent = fresh.dataset.news ?? "";
    }
    if (fresh.dataset.part === "questions") markSupported();
    if (focused !== null) (document.getElementById(focused) ?? fresh.querySelector("h1, h2"))?.focus();
  }
}

/** Places were given, or somebody left: thousands of phones do not ask in the same moment. */
function placesChanged(old, fresh) {
  const other = old.dataset.poll !== fresh.dataset.poll;
  if (other) part("place")?.replaceChildren();
  if (fresh.dataset.places !== "0" && (other || old.dataset.places !== fresh.dataset.places)) {
    setTimeout(askOwn, 1_000 * Number(fresh.dataset.pause) * Math.random());
  }
  old.dataset.places = fresh.dataset.places;
}

/** What the city alone knows of this person: the place in a group. */
async function askOwn() {
  try {
    const answer = await fetch(page.dataset.own);
    if (!answer.ok) return;
    const told = new DOMParser().parseFromString(await answer.text(), "text/html");
    const place = told.querySelector("[data-part=place]");
    if (place) part("place")?.replaceWith(document.adoptNode(place));
  } catch {
    // the next reload shows it
  }
}

function listen() {
  const source = new EventSource(page.dataset.live);
  source.onmessage = (event) => {
    take(event.data);
    forgetSecret();
  };
  source.onopen = again;
  source.onerror = () => {
    // A server that refuses ends it for good, as far as the browser goes.
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, 3_000 + 7_000 * Math.random());
  };
}

document.addEventListener("submit", (submit) => {
  const filled = submit.target;
  if (!filled.matches("form[data-vote], form[data-ask], form[data-support]")) return;
  submit.preventDefault();
  if ("ask" in filled.dataset) return void ask(filled);
  if ("support" in filled.dataset) return void support(filled);
  if (!complete(filled)) return;
  const poll = shownPoll();
  const before = shownVote();
  const revision = (before?.revision ?? 0) + 1;
  const counted = before?.state === "received" ? before.fields : before?.counted;
  touched = false;
  keep(poll, { fields: fieldsOf(filled), revision, state: "waiting", counted });
  show();
  own.scrollIntoView({ block: "nearest" });
  pause = FIRST_PAUSE;
  flush();
});
page.addEventListener("input", () => (touched = true));
page.addEventListener("click", (click) => {
  if (click.target.closest(".pick")) touched = true;
});
addEventListener("online", again);
addEventListener("pageshow", again);
document.addEventListener("visibilitychange", again);
addEventListener("storage", (change) => {
  if (change.key !== NAME) return;
  const vote = shownVote();
  if (!touched && form() && vote?.fields) fill(form(), vote.fields);
  show();
});

if (page.dataset.me) forgetOthers();
begin();
listen();
flush();
page.dataset.ready = "";
