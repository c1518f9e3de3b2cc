// A place is picked on a small map: the outlines of the city, drawn here. The two fields say the same and work without it.
const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT] = [720, 420];

const make = (name, attributes) => {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
};

const rings = (shape) => {
  if (!shape) return [];
  if (shape.features) return shape.features.flatMap((one) => rings(one.geometry));
  if (shape.geometry) return rings(shape.geometry);
  if (shape.geometries) return shape.geometries.flatMap(rings);
  if (shape.type === "Polygon" || shape.type === "MultiLineString") return shape.coordinates;
  if (shape.type === "MultiPolygon") return shape.coordinates.flat();
  return shape.type === "LineString" ? [shape.coordinates] : [];
};

async function outline() {
  try {
    const answer = await fetch("/map/outline");
    return answer.ok ? rings(await answer.json()) : [];
  } catch {
    return [];
  }
}

async function offer(room) {
  const [lon, lat] = ["lon", "lat"].map((name) => document.getElementById(name));
  const lands = await outline();
  const here = "geolocation" in navigator;
  if (!lands.length && !here) return; // an empty sheet helps nobody
  const corners = lands.flat();
  const bounds = corners.reduce(
    ([w, s, e, n], [x, y]) => [Math.min(w, x), Math.min(s, y), Math.max(e, x), Math.max(n, y)],
    corners.length ? [180, 90, -180, -90] : [6, 51, 7, 52],
  );
  let middle = [(bounds[0] + bounds[2]) / 2, (bounds[1] + bounds[3]) / 2];
  const squeeze = Math.cos((middle[1] * Math.PI) / 180); // a degree of longitude is shorter than one of latitude
  const whole = Math.min(HEIGHT / (bounds[3] - bounds[1]), WIDTH / ((bounds[2] - bounds[0]) * squeeze)) * 0.92;
  let scale = whole; // units of the drawing for a degree of latitude

  const put = ([x, y]) => [WIDTH / 2 + (x - middle[0]) * scale * squeeze, HEIGHT / 2 - (y - middle[1]) * scale];
  const map = make("svg", { class: "pick__map", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
  map.setAttribute("aria-label", room.dataset.label);
  const shapes = lands.map(() => map.appendChild(make("polygon", { class: "pick__land" })));
  const mark = map.appendChild(make("circle", { class: "pick__mark", r: 8, "stroke-width": 2, hidden: "" }));
  const told = Object.assign(document.createElement("p"), { className: "muted" });
  told.setAttribute("role", "status");

  const chosen = () => {
    const at = [lon, lat].map((field) => Number(field.value.replace(",", ".")));
    return lon.value.trim() && lat.value.trim() && at.every(Number.isFinite) ? at : null;
  };
  const draw = () => {
    shapes.forEach((shape, index) => shape.setAttribute("points", lands[index].map((one) => put(one).join(",")).join(" ")));
    const at = chosen();
    mark.toggleAttribute("hidden", !at);
    mark.style.display = at ? "" : "none";
    if (at) {
      const [x, y] = put(at);
      mark.setAttribute("cx", x);
      mark.setAttribute("cy", y);
    }
  };
  const choose = (x, y) => {
    [lon.value, lat.value] = [x.toFixed(6), y.toFixed(6)];
    told.textContent = room.dataset.told;
    draw();
  };
  const zoom = (factor) => {
    scale = Math.min(whole * 512, Math.max(whole, scale * factor));
    middle = chosen() ?? middle;
    draw();
  };

  map.addEventListener("click", (event) => {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(map.getScreenCTM().inverse());
    choose(middle[0] + (at.x - WIDTH / 2) / (scale * squeeze), middle[1] - (at.y - HEIGHT / 2) / scale);
  });
  for (const field of [lon, lat]) field.addEventListener("input", draw);

  const acts = Object.assign(document.createElement("p"), { className: "acts" });
  const button = (words, act) => {
    const found = Object.assign(document.createElement("button"), { type: "button", className: "kern-btn kern-btn--secondary" });
    found.append(Object.assign(document.createElement("span"), { className: "kern-label", textContent: words }));
    found.addEventListener("click", act);
    acts.append(found);
  };
  if (lands.length) {
    button(room.dataset.nearer, () => zoom(4));
    button(room.dataset.farther, () => zoom(1 / 4));
  }
  if (here) {
    button(room.dataset.here, () =>
      navigator.geolocation.getCurrentPosition(
        ({ coords }) => {
          choose(coords.longitude, coords.latitude);
          middle = chosen();
          draw();
        },
        () => { told.textContent = room.dataset.refused; },
      ));
  }
  button(room.dataset.clear, () => {
    lon.value = lat.value = told.textContent = "";
    draw();
  });
  room.append(...(lands.length ? [map] : []), acts, told);
  room.hidden = false;
  draw();
}

for (const room of document.querySelectorAll("[data-pick]")) offer(room);
