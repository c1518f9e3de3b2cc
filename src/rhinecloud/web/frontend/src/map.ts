// The city map's island: points, legend, search, selection, the table beside it, and the stream of changes.
import htmx from "htmx.org/dist/htmx.esm.min.js";
import "maplibre-gl/dist/maplibre-gl.css";
import { offerDrawing } from "./drawing";
import type { Ground, Look, Reports, Scene, Texts } from "./ground";
import { type Changes, Points } from "./points";

const place = document.getElementById("map")!;
const base = place.dataset.base ?? "/map"; // where the table, the panel and the search are asked for
const chosen = place.dataset.query ?? ""; // a selection that all of them are told
const texts = JSON.parse(document.getElementById("map-texts")!.textContent!) as Texts;
const live = document.getElementById("live")!;
const scene: Scene = {
  points: new Points(),
  looks: new Map(Object.entries(texts.codes).map(([code, look]) => [Number(code), look as Look])),
  hidden: new Set(),
  selected: -1,
  dark: false,
  calm: matchMedia("(prefers-reduced-motion: reduce)").matches,
  texts,
};
const systemDark = matchMedia("(prefers-color-scheme: dark)");
const number = new Intl.NumberFormat(texts.lang);
let ground: Ground | null = null;

function isDark(): boolean {
  const chosen = document.documentElement.dataset.kernTheme;
  return chosen ? chosen === "dark" : systemDark.matches;
}

function hasWebGl(): boolean {
  try {
    return Boolean(document.createElement("canvas").getContext("webgl2"));
  } catch {
    return false;
  }
}

// Legend ------------------------------------------------------------------------------------------------------

function recount(): void {
  const counts = scene.points.counts();
  for (const shown of document.querySelectorAll<HTMLElement>("[data-count]")) {
    const count = counts[Number(shown.dataset.count)];
    const text = number.format(count);
    if (shown.textContent !== text) shown.textContent = text;
    shown.closest(".legend__row")?.toggleAttribute("data-empty", count === 0);
  }
}

for (const box of document.querySelectorAll<HTMLInputElement>("input[data-code]")) {
  const apply = () => {
    const code = Number(box.dataset.code);
    if (box.checked) scene.hidden.delete(code);
    else scene.hidden.add(code);
  };
  apply(); // a browser that comes back keeps what was unchecked
  box.addEventListener("change", () => {
    apply();
    ground?.restyle();
    refreshTable(0);
  });
}

// Table -------------------------------------------------------------------------------------------------------

const table = document.getElementById("table")!;
let offset = 0;
let tableTimer: ReturnType<typeof setTimeout> | undefined;
let tableShown = 0;

function refreshTable(from = offset, wait = 300): void {
  offset = from;
  clearTimeout(tableTimer);
  tableTimer = setTimeout(() => {
    if (!ground) return;
    tableShown = performance.now();
    const codes = scene.hidden.size ? [...scene.looks.keys()].filter((code) => !scene.hidden.has(code)) : [];
    const asked = new URLSearchParams({ bounds: ground.bounds().map((v) => v.toFixed(6)).join(","), offset: String(offset) });
    if (scene.hidden.size) asked.set("codes", codes.join(",") || "254");
    void htmx.ajax("GET", `${base}/table?${asked}&${chosen}`, { target: table, swap: "innerMorph" });
  }, wait);
}

table.addEventListener("click", (event) => {
  const button = (event.target as Element).closest<HTMLElement>("[data-offset]");
  if (button) refreshTable(Number(button.dataset.offset), 0);
});

// Selection and search ----------------------------------------------------------------------------------------

function ask(lon: number, lat: number): void {
  void htmx.ajax("GET", `${base}/at?lon=${lon.toFixed(7)}&lat=${lat.toFixed(7)}&${chosen}`, { target: "#chosen", swap: "innerHTML" });
}

function select(index: number): void {
  scene.selected = index;
  ground?.redraw([]);
  if (index >= 0) ask(scene.points.lon[index], scene.points.lat[index]);
  else document.getElementById("chosen")!.replaceChildren();
}

function go(lon: number, lat: number): void {
  ground?.fly(lon, lat);
  const [x, y] = [(lon + 180) / 360, 0.5 - Math.log(Math.tan(Math.PI / 4 + (lat * Math.PI) / 360)) / (2 * Math.PI)];
  select(scene.points.nearest(x, y, 1e-8, scene.hidden));
}

document.getElementById("found")?.addEventListener("click", (event) => {
  const button = (event.target as Element).closest<HTMLElement>("[data-fly]");
  if (!button) return;
  const [lon, lat] = button.dataset.fly!.split(",").map(Number);
  go(lon, lat);
});

const tip = document.createElement("div");
tip.className = "map__tip";
tip.hidden = true;
tip.setAttribute("aria-hidden", "true");

const reports: Reports = {
  moved: () => refreshTable(0),
  clicked: select,
  hovered: (index, x, y) => {
    tip.hidden = index < 0;
    if (index < 0) return;
    const row = document.querySelector(`input[data-code="${scene.points.code[index]}"]`)?.closest(".legend__row");
    const layer = row?.closest("fieldset")?.querySelector("legend")?.textContent ?? "";
    tip.textContent = `${layer}: ${row?.querySelector(".legend__name")?.textContent ?? ""}`;
    tip.style.transform = `translate(${Math.round(x + 14)}px, ${Math.round(y + 14)}px)`;
  },
};

// Changes -----------------------------------------------------------------------------------------------------

function say(text: string, state: string): void {
  if (live.textContent !== text) live.textContent = text;
  live.dataset.state = state;
}

function flash(indices: number[]): void {
  const now = performance.now() / 1000;
  for (const i of indices) {
    const code = scene.points.code[i];
    if (texts.flashes.includes(code >> 4) && (code & 15) === 0) scene.points.flashed[i] = now;
  }
}

function take(told: Changes): void {
  const before = scene.points.count;
  const touched = scene.points.change(told);
  flash(touched);
  recount();
  ground?.redraw(told.all ? undefined : touched);
  if (before === 0 && scene.points.count) ground?.fit(scene.points.bounds()!);
  if (performance.now() - tableShown > 5000 && !table.contains(document.activeElement)) refreshTable(offset, 0);
  place.dataset.version = scene.points.mark;
}

/** Asks for what changed every so many seconds, where there is no stream. */
async function poll(seconds: number): Promise<void> {
  try {
    const answer = await fetch(`${place.dataset.changes}&since=${scene.points.mark}`);
    const told = answer.ok ? ((await answer.json()) as Changes) : null;
    // Another number of points: what was chosen is no longer the same, and nothing says which are new.
    if (answer.status === 410 || (told && !told.points && told.count !== scene.points.count)) {
      const anew = await fetch(place.dataset.points!);
      scene.points.snapshot(await anew.arrayBuffer());
      scene.selected = -1;
      recount();
      ground?.redraw();
      place.dataset.version = scene.points.mark;
    } else if (told) take(told);
    say(answer.ok || answer.status === 410 ? texts.live : texts.lost, answer.ok || answer.status === 410 ? "live" : "lost");
  } catch {
    say(texts.lost, "lost");
  }
  setTimeout(() => void poll(seconds), seconds * 1000 * (document.hidden ? 10 : 1));
}

function follow(): void {
  if (place.dataset.changes) return void poll(Number(place.dataset.every));
  const stream = new EventSource(`${place.dataset.stream}?since=${scene.points.mark}`);
  stream.addEventListener("changes", (event) => take(JSON.parse((event as MessageEvent<string>).data) as Changes));
  stream.addEventListener("snapshot", (event) => {
    scene.points.snapshotText((event as MessageEvent<string>).data);
    scene.selected = -1;
    recount();
    ground?.redraw();
    place.dataset.version = scene.points.mark;
  });
  stream.onopen = () => say(texts.live, "live");
  stream.onerror = () => {
    say(texts.lost, "lost");
    if (stream.readyState === EventSource.CLOSED) setTimeout(follow, 2000 + Math.random() * 6000); // refused: not at once
  };
}

async function begin(): Promise<void> {
  scene.dark = isDark();
  const answer = await fetch(place.dataset.points!);
  if (!answer.ok) throw new Error(`the points cannot be had: ${answer.status}`);
  scene.points.snapshot(await answer.arrayBuffer());
  const start = scene.points.bounds();
  if (hasWebGl()) {
    const { glGround } = await import("./glGround");
    ground = await glGround(place, scene, reports, start);
  } else {
    const { canvasGround } = await import("./canvasGround");
    ground = await canvasGround(place, scene, reports, start);
    place.dataset.plain = texts.plain;
  }
  place.append(tip);
  offerDrawing(place, ground);
  recount();
  ground.redraw();
  follow();
  systemDark.addEventListener("change", () => {
    scene.dark = isDark();
    ground?.restyle();
  });
  const wanted = new URLSearchParams(location.search).get("at");
  if (wanted) {
    const found = await fetch(`${base}/place?id=${encodeURIComponent(wanted)}`);
    if (found.ok) {
      const { lon, lat } = (await found.json()) as { lon: number; lat: number };
      go(lon, lat);
    }
  }
  place.dataset.version = scene.points.mark;
  place.dataset.ready = "";
}

begin().catch((error: unknown) => {
  say(texts.lost, "lost");
  console.warn(error);
  setTimeout(() => location.reload(), 10000 + Math.random() * 10000);
});
