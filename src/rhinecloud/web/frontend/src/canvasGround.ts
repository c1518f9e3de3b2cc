// The map without WebGL: a canvas with the same points, moved by pointer, wheel and keys.
import { type Bounds, type Ground, type Look, PALETTE, type Reports, type Scene, scaleAt } from "./ground";
import { degrees, GONE, mercator } from "./points";

interface View {
  x: number;
  y: number;
  zoom: number;
}

function trace(context: CanvasRenderingContext2D, look: Look, r: number): void {
  context.beginPath();
  if (look.shape === "disc" || look.shape === "ring") context.arc(0, 0, r * 0.86, 0, 7);
  else if (look.shape === "square" || look.shape === "frame") context.rect(-r * 0.8, -r * 0.8, r * 1.6, r * 1.6);
  else if (look.shape === "triangle") {
    context.moveTo(0, -r);
    context.lineTo(r, r * 0.8);
    context.lineTo(-r, r * 0.8);
    context.closePath();
  } else {
    context.moveTo(0, -r);
    context.lineTo(r, 0);
    context.lineTo(0, r);
    context.lineTo(-r, 0);
    context.closePath();
  }
}

/** A point's picture, made once for each look and size and then copied. */
function stamp(look: Look, dark: boolean, size: number): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = Math.ceil(size + 4);
  const context = canvas.getContext("2d")!;
  context.translate(canvas.width / 2, canvas.height / 2);
  context.fillStyle = context.strokeStyle = dark ? look.dark : look.light;
  trace(context, look, size / 2);
  if (look.shape === "ring" || look.shape === "frame") {
    context.lineWidth = Math.max(1, size * 0.18);
    context.stroke();
  } else context.fill();
  return canvas;
}

export async function canvasGround(place: HTMLElement, scene: Scene, reports: Reports, start: Bounds | null): Promise<Ground> {
  const canvas = document.createElement("canvas");
  canvas.className = "map__canvas";
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "application");
  canvas.setAttribute("aria-label", scene.texts.label);
  const buttons = document.createElement("div");
  buttons.className = "map__zoom";
  place.append(canvas, buttons);
  const context = canvas.getContext("2d")!;
  const view: View = { x: 0.5, y: 0.33, zoom: 11 };
  const outline = place.dataset.outline ? await lines(place.dataset.outline) : [];
  let waiting = false;
  let quiet: ReturnType<typeof setTimeout> | undefined;

  const world = () => 512 * 2 ** view.zoom;
  const toWorld = (px: number, py: number): [number, number] => [view.x + (px - place.clientWidth / 2) / world(), view.y + (py - place.clientHeight / 2) / world()];

  function draw(): void {
    waiting = false;
    const ratio = window.devicePixelRatio;
    const width = place.clientWidth;
    const height = place.clientHeight;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const colours = PALETTE[scene.dark ? "dark" : "light"];
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = outline.length ? colours.ground : colours.land;
    context.fillRect(0, 0, width, height);
    const scale = world();
    const left = view.x - width / 2 / scale;
    const top = view.y - height / 2 / scale;
    context.fillStyle = colours.land;
    context.strokeStyle = colours.line;
    for (const ring of outline) {
      context.beginPath();
      for (let i = 0; i < ring.length; i += 2) context.lineTo((ring[i] - left) * scale, (ring[i + 1] - top) * scale);
      context.fill();
      context.stroke();
    }
    const { points } = scene;
    const [ox, oy] = points.origin;
    const grow = scaleAt(view.zoom);
    const stamps = new Map<number, HTMLCanvasElement>();
    for (const [code, look] of scene.looks) if (!scene.hidden.has(code)) stamps.set(code, stamp(look, scene.dark, look.size * grow));
    for (const alarm of [false, true]) {
      for (let i = 0; i < points.count; i++) {
        const picture = stamps.get(points.code[i]);
        if (!picture || points.code[i] === GONE || scene.looks.get(points.code[i])!.alarm !== alarm) continue;
        const x = (points.xy[2 * i] + ox - left) * scale;
        const y = (points.xy[2 * i + 1] + oy - top) * scale;
        if (x > -20 && y > -20 && x < width + 20 && y < height + 20) context.drawImage(picture, Math.round(x - picture.width / 2), Math.round(y - picture.height / 2));
      }
    }
    if (scene.selected >= 0) {
      const i = scene.selected;
      context.beginPath();
      context.lineWidth = 3;
      context.strokeStyle = scene.dark ? "#fff" : "#0d1a4d";
      context.arc((points.xy[2 * i] + ox - left) * scale, (points.xy[2 * i + 1] + oy - top) * scale, 14, 0, 7);
      context.stroke();
    }
  }

  function redraw(): void {
    if (!waiting) {
      waiting = true;
      requestAnimationFrame(draw);
    }
  }

  function moved(): void {
    redraw();
    clearTimeout(quiet);
    quiet = setTimeout(() => reports.moved(), 250);
  }

  function zoom(by: number, px = place.clientWidth / 2, py = place.clientHeight / 2): void {
    const [x, y] = toWorld(px, py);
    view.zoom = Math.min(20, Math.max(6, view.zoom + by));
    view.x = x - (px - place.clientWidth / 2) / world();
    view.y = y - (py - place.clientHeight / 2) / world();
    moved();
  }

  function fit([west, south, east, north]: Bounds): void {
    const [x0, y1] = mercator(west, south);
    const [x1, y0] = mercator(east, north);
    view.x = (x0 + x1) / 2;
    view.y = (y0 + y1) / 2;
    const wide = Math.max(x1 - x0, 1e-6);
    const high = Math.max(y1 - y0, 1e-6);
    view.zoom = Math.min(18, Math.log2(Math.min((place.clientWidth - 48) / wide, (place.clientHeight - 48) / high) / 512));
    moved();
  }

  function pick(event: PointerEvent): number {
    const [x, y] = toWorld(event.offsetX, event.offsetY);
    return scene.points.nearest(x, y, 14 / world(), scene.hidden);
  }

  const pressed = new Map<number, [number, number]>();
  let dragged = 0;
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pressed.set(event.pointerId, [event.offsetX, event.offsetY]);
    dragged = 0;
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = pressed.get(event.pointerId);
    if (!before) {
      const index = pick(event);
      canvas.style.cursor = index >= 0 ? "pointer" : "";
      return reports.hovered(index, event.offsetX, event.offsetY);
    }
    const dx = event.offsetX - before[0];
    const dy = event.offsetY - before[1];
    if (pressed.size === 2) {
      const other = [...pressed].find(([id]) => id !== event.pointerId)![1];
      const was = Math.hypot(before[0] - other[0], before[1] - other[1]);
      const is = Math.hypot(event.offsetX - other[0], event.offsetY - other[1]);
      if (was > 0 && is > 0) zoom(Math.log2(is / was), other[0], other[1]);
    } else {
      view.x -= dx / world();
      view.y -= dy / world();
      moved();
    }
    dragged += Math.abs(dx) + Math.abs(dy);
    pressed.set(event.pointerId, [event.offsetX, event.offsetY]);
  });
  canvas.addEventListener("pointerup", (event) => {
    pressed.delete(event.pointerId);
    if (dragged < 5) reports.clicked(pick(event));
  });
  canvas.addEventListener("pointercancel", (event) => pressed.delete(event.pointerId));
  canvas.addEventListener("pointerleave", () => reports.hovered(-1, 0, 0));
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(-event.deltaY / 300, event.offsetX, event.offsetY);
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    const step = 80 / world();
    const steps: Record<string, [number, number]> = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    if (steps[event.key]) {
      view.x += steps[event.key][0];
      view.y += steps[event.key][1];
      moved();
    } else if (event.key === "+" || event.key === "=") zoom(1);
    else if (event.key === "-") zoom(-1);
    else return;
    event.preventDefault();
  });
  for (const [text, label, by] of [
    ["+", scene.texts.zoomIn, 1],
    ["−", scene.texts.zoomOut, -1],
  ] as const) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = text;
    button.setAttribute("aria-label", label);
    button.addEventListener("click", () => zoom(by));
    buttons.append(button);
  }
  new ResizeObserver(redraw).observe(place);
  fit(start ?? [6.62, 51.33, 6.84, 51.56]);
  return {
    bounds: () => {
      const [west, north] = degrees(...toWorld(0, 0));
      const [east, south] = degrees(...toWorld(place.clientWidth, place.clientHeight));
      return [west, south, east, north];
    },
    fit,
    fly: (lon, lat) => {
      [view.x, view.y] = mercator(lon, lat);
      view.zoom = Math.max(view.zoom, 16.5);
      moved();
    },
    under: (x, y) => degrees(...toWorld(x, y)),
    redraw,
    restyle: redraw,
  };
}

/** The rings of an outline, in Mercator. */
async function lines(url: string): Promise<number[][]> {
  const rings: number[][] = [];
  const walk = (part: unknown): void => {
    if (!Array.isArray(part)) return;
    if (Array.isArray(part[0]) && typeof part[0][0] === "number") rings.push((part as [number, number][]).flatMap(([lon, lat]) => mercator(lon, lat)));
    else part.forEach(walk);
  };
  const answer = await fetch(url);
  if (!answer.ok) return rings;
  const found = await answer.json();
  for (const feature of found.features ?? [found]) {
    const geometry = feature.geometry ?? feature;
    for (const one of geometry.geometries ?? [geometry]) walk(one.coordinates);
  }
  return rings;
}
