// Opens the pages of work orders without a network: those that work.js has it keep, as they were when they were kept.
// What belongs to somebody is in a cache that begins with `own:` and their name; every page of the city lets go of those
// of others (shell.ts), and so does this when the city says that nobody is signed in.

const NAME = "lighting-orders";
const LIST = "/lighting/orders";
const PAGE = /^\/lighting\/orders(\/\d+)?$/;
const OLDEST = 3 * 24 * 3600 * 1000; // ms: older pages are not shown
const FRESH = 15 * 60 * 1000; // ms for which an order that has not changed is not fetched again
const PATIENCE = 8000; // ms that a page is waited for if it is kept
const version = digest(ASSETS.join("\n"));
const assets = `${NAME}:${version}`;

/** FNV-1a: tells versions apart, nothing more. */
function digest(text) {
  let hash = 2166136261;
  for (const letter of text) hash = Math.imul(hash ^ letter.charCodeAt(0), 16777619);
  return (hash >>> 0).toString(16);
}

const isOwn = (cache) => cache.startsWith("own:") && cache.includes(`:${NAME}`);

async function caching(wanted) {
  return (await caches.keys()).filter(wanted);
}

async function forget() {
  for (const cache of await caching(isOwn)) await caches.delete(cache);
}

/** The cache of whoever is kept for now, if any. */
async function own() {
  const [cache] = await caching(isOwn);
  return cache ? caches.open(cache) : null;
}

/** Where a page is kept: an order under its path, the list of open ones as it was asked for last. */
function place(url) {
  const part = url.searchParams.has("closed") || url.searchParams.has("before");
  return PAGE.test(url.pathname) && !part ? url.pathname : null;
}

/** A page as it is kept: the same headers, its time, and no variants. */
async function keep(cache, path, answer) {
  const headers = new Headers(answer.headers);
  for (const name of ["vary", "content-encoding", "content-length"]) headers.delete(name);
  headers.set("x-kept-at", new Date(answer.headers.get("date") ?? Date.now()).toISOString());
  headers.set("x-kept-from", answer.url);
  await cache.put(path, new Response(await answer.text(), { status: 200, headers }));
}

/** A kept page that says as of when it is. */
async function kept(path) {
  const found = await (await own())?.match(path);
  const at = found?.headers.get("x-kept-at");
  if (!at || Date.now() - Date.parse(at) > OLDEST) return null;
  const text = (await found.text()).replace("<html ", `<html data-as-of="${at}" `);
  return new Response(text, { status: 200, headers: found.headers });
}

/** The page from the city, or, where that cannot be reached, as it was kept. */
async function page(request) {
  const url = new URL(request.url);
  const path = place(url);
  const before = path && (await kept(path));
  let answer = null;
  try {
    answer = await fetch(request, before ? { signal: AbortSignal.timeout(PATIENCE) } : {});
  } catch {
    answer = null;
  }
  if (answer === null || [502, 503, 504].includes(answer.status)) {
    if (before) return before;
    if (path !== LIST && (await kept(LIST))) return Response.redirect(`${LIST}?kept=0`, 302);
    return answer ?? Response.error();
  }
  if (answer.type === "opaqueredirect" || answer.status === 401 || answer.status === 403) {
    if (path) await forget();
  } else if (path && answer.ok) {
    const cache = await own();
    if (cache) await keep(cache, path, answer.clone());
  } else if (path && answer.status === 404) {
    await (await own())?.delete(path);
  }
  return answer;
}

async function asset(request) {
  const found = await (await caches.open(assets)).match(request, { ignoreVary: true });
  return found ?? fetch(request);
}

/** Fetch pages one after the other, so that a phone's network and the city have time for others. */
async function fetchAll(cache, paths) {
  for (const path of paths) {
    try {
      const answer = await fetch(path, { redirect: "manual" });
      if (answer.type === "opaqueredirect" || answer.status === 401 || answer.status === 403) return forget();
      if (answer.ok) await keep(cache, new URL(path, location.origin).pathname, answer);
    } catch {
      return; // no network; what is kept stays
    }
  }
}

/** Keep orders, and the list that they are on, for whoever looks at it; let go of what is no longer on the list. */
async function keepFor(who, list, orders) {
  const name = `own:${encodeURIComponent(who)}:${NAME}:${version}`;
  for (const cache of await caching((one) => isOwn(one) && one !== name)) await caches.delete(cache);
  const cache = await caches.open(name);
  const wanted = [];
  for (const { path, changed } of orders) {
    const at = Date.parse((await cache.match(path))?.headers.get("x-kept-at") ?? 0);
    if (!(at > Date.parse(changed) && Date.now() - at < FRESH)) wanted.push(path);
  }
  for (const request of list ? await cache.keys() : []) {
    const path = new URL(request.url).pathname;
    if (path !== LIST && !orders.some((order) => order.path === path)) await cache.delete(request);
  }
  await fetchAll(cache, list ? [list, ...wanted] : wanted);
}

self.addEventListener("install", (event) => {
  self.skipWaiting();
  event.waitUntil(caches.open(assets).then((cache) => cache.addAll(ASSETS)));
});

/** Pages that were kept name scripts and styles of their version: they are fetched anew with this one's. */
async function takeOver() {
  for (const cache of await caching((one) => one.startsWith(`${NAME}:`) && one !== assets)) await caches.delete(cache);
  for (const name of await caching((one) => isOwn(one) && !one.endsWith(`:${version}`))) {
    const pages = await (await caches.open(name)).matchAll();
    const cache = await caches.open(name.replace(/[^:]*$/, version));
    await fetchAll(cache, pages.map((one) => one.headers.get("x-kept-from")));
    await caches.delete(name);
  }
  await self.clients.claim();
}

self.addEventListener("activate", (event) => event.waitUntil(takeOver()));

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET") return;
  if (request.mode === "navigate") return event.respondWith(page(request));
  const url = new URL(request.url);
  if (ASSETS.includes(url.pathname + url.search)) event.respondWith(asset(request));
});

self.addEventListener("message", (event) => {
  const { who, list, orders } = event.data;
  event.waitUntil(keepFor(who, list, orders).then(() => event.source?.postMessage("kept")));
});
