// An area drawn on the map: a line around it, by pointer, or what is in view, by a button. It goes into a form's field.
import type { Ground } from "./ground";

const SVG = "http://www.w3.org/2000/svg";
const LEAST = 5; // CSS pixels between two corners
const MOST = 200; // corners

function send(field: HTMLInputElement, corners: [number, number][]): void {
  field.value = corners.map(([lon, lat]) => `${lon.toFixed(6)},${lat.toFixed(6)}`).join(";");
  field.form!.requestSubmit();
}

/** Buttons [data-draw="line"] and [data-draw="view"] of the page, which fill the field #area. */
export function offerDrawing(place: HTMLElement, ground: Ground): void {
  const field = document.getElementById("area") as HTMLInputElement | null;
  if (!field) return;
  for (const button of document.querySelectorAll<HTMLButtonElement>("button[data-draw]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      if (button.dataset.draw === "line") draw(place, ground, field, button);
      else {
        const [west, south, east, north] = ground.bounds();
        send(field, [[west, south], [east, south], [east, north], [west, north]]);
      }
    });
  }
}

function draw(place: HTMLElement, ground: Ground, field: HTMLInputElement, button: HTMLButtonElement): void {
  if (place.querySelector(".map__drawing")) return;
  const sheet = document.createElementNS(SVG, "svg");
  sheet.classList.add("map__drawing");
  const line = document.createElementNS(SVG, "polygon");
  sheet.append(line);
  place.append(sheet);
  button.setAttribute("aria-pressed", "true");
  const corners: [number, number][] = [];
  const end = () => {
    sheet.remove();
    button.setAttribute("aria-pressed", "false");
    document.removeEventListener("keydown", escape);
  };
  const escape = (event: KeyboardEvent) => {
    if (event.key === "Escape") end();
  };
  const add = (event: PointerEvent) => {
    const box = place.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const last = corners.at(-1);
    if (last && Math.hypot(x - last[0], y - last[1]) < LEAST) return;
    corners.push([x, y]);
    line.setAttribute("points", corners.map((corner) => corner.join(",")).join(" "));
  };
  document.addEventListener("keydown", escape);
  sheet.addEventListener("pointerdown", (event) => {
    sheet.setPointerCapture(event.pointerId);
    corners.length = 0;
    add(event);
  });
  sheet.addEventListener("pointermove", (event) => {
    if (corners.length) add(event);
  });
  sheet.addEventListener("pointercancel", end);
  sheet.addEventListener("pointerup", () => {
    end();
    const every = Math.ceil(corners.length / MOST);
    const kept = corners.filter((_, index) => index % every === 0);
    if (kept.length > 2) send(field, kept.map(([x, y]) => ground.under(x, y)));
  });
}
