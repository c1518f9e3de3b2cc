// History as a line. The same values stand in the table under it.
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

interface Series {
  times: number[];
  values: number[];
  name: string;
  unit: string;
  zone: string;
}

const drawn = new WeakMap<HTMLElement, uPlot>();

function colour(name: string): string {
  return getComputedStyle(document.body).getPropertyValue(name).trim();
}

function draw(place: HTMLElement): void {
  const data = place.parentElement?.querySelector("[data-chart-data]")?.textContent;
  if (!data || drawn.has(place)) return;
  const series = JSON.parse(data) as Series;
  const text = colour("--ink-soft");
  const grid = { stroke: colour("--line"), width: 1 };
  const axis = { stroke: text, grid, ticks: grid, font: "13px 'Fira Sans', sans-serif" };
  const number = new Intl.NumberFormat(document.documentElement.lang);
  const two = (n: number) => String(n).padStart(2, "0");
  const sparse = series.values.length < 60;
  const plot = new uPlot(
    {
      width: Math.max(220, place.clientWidth),
      height: 260,
      tzDate: (at) => uPlot.tzDate(new Date(at * 1000), series.zone),
      cursor: { points: { size: 8 } },
      legend: { show: false },
      series: [
        {},
        {
          label: series.name,
          stroke: colour("--accent"),
          width: 2,
          fill: colour("--accent-wash"),
          points: { show: sparse, size: 6, fill: colour("--accent") },
        },
      ],
      axes: [
        {
          ...axis,
          values: (_plot, splits, _axis, _space, step) =>
            splits.map((at) => {
              const d = uPlot.tzDate(new Date(at * 1000), series.zone);
              if (step >= 86400) return `${two(d.getDate())}.${two(d.getMonth() + 1)}.`;
              const clock = `${two(d.getHours())}:${two(d.getMinutes())}`;
              return step >= 60 ? clock : `${clock}:${two(d.getSeconds())}`;
            }),
        },
        { ...axis, size: 64, values: (_plot, splits) => splits.map((v) => number.format(v)) },
      ],
      scales: { y: { range: (_plot, low, high) => (low === high ? [low - 1, high + 1] : [low - (high - low) * 0.08, high + (high - low) * 0.08]) } },
    },
    [series.times, series.values],
    place,
  );
  drawn.set(place, plot);
  new ResizeObserver(() => plot.setSize({ width: Math.max(220, place.clientWidth), height: 260 })).observe(place);
  place.dataset.ready = "";
}

function drawAll(): void {
  for (const place of document.querySelectorAll<HTMLElement>("[data-chart]")) draw(place);
}

drawAll();
new MutationObserver(drawAll).observe(document.getElementById("content") ?? document.body, { subtree: true, childList: true });
