// The query builder: attributes follow the type that is chosen, and an area is drawn on the sketch of the result.
const form = document.getElementById("query") as HTMLFormElement | null;

for (const choice of document.querySelectorAll<HTMLSelectElement>("select[data-refit]")) {
  choice.addEventListener("change", () => {
    if (choice.id !== "type") return;
    form?.requestSubmit();
  });
}

/** Fields that say nothing do not stand in the address that is shared. */
form?.addEventListener("formdata", (event) => {
  const data = event.formData;
  for (const name of ["type", "scope", "area", "near", "radius", "since", "until", "last", "mode", "order", "direction", "groups"]) {
    if (data.get(name) === "") data.delete(name);
  }
  const names = ["group", "attribute", "operator", "value"];
  const rows = names.map((name) => data.getAll(name));
  const anyOf = data.getAll("any");
  for (const name of [...names, "any"]) data.delete(name);
  rows[1].forEach((attribute, n) => {
    if (attribute !== "") names.forEach((name, column) => data.append(name, rows[column][n]));
  });
  for (const group of anyOf) if (data.getAll("group").includes(group)) data.append("any", group);
});

function drawing(map: SVGSVGElement, tools: HTMLElement): void {
  const begin = tools.querySelector<HTMLButtonElement>("[data-draw-begin]")!;
  const end = tools.querySelector<HTMLButtonElement>("[data-draw-end]")!;
  const told = tools.querySelector<HTMLElement>("[data-draw-told]")!;
  const shape = map.querySelector<SVGPolygonElement>(".sketch__area")!;
  const field = document.getElementById("area") as HTMLInputElement;
  const number = (name: string) => Number(map.dataset[name]);
  let corners: [number, number][] = [];
  tools.hidden = false;
  begin.addEventListener("click", () => {
    corners = [];
    shape.setAttribute("points", "");
    map.dataset.drawing = "";
    end.hidden = true;
    told.textContent = begin.dataset.hint ?? "";
  });
  map.addEventListener(
    "click",
    (event) => {
      if (map.dataset.drawing === undefined) return;
      event.preventDefault();
      const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(map.getScreenCTM()!.inverse());
      corners.push([at.x, at.y]);
      shape.setAttribute("points", corners.map((corner) => corner.join(",")).join(" "));
      end.hidden = corners.length < 3;
    },
    true,
  );
  end.addEventListener("click", () => {
    field.value = corners.map(([x, y]) => `${(number("west") + x / number("perLon")).toFixed(6)},${(number("north") - y / number("perLat")).toFixed(6)}`).join(" ");
    (document.getElementById("near") as HTMLInputElement).value = "";
    form?.requestSubmit();
  });
}

const map = document.querySelector<SVGSVGElement>(".sketch__map");
const tools = document.querySelector<HTMLElement>("[data-draw]");
if (map && tools) drawing(map, tools);
