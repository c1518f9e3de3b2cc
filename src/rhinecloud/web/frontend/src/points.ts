// The points of the map: one binary snapshot, then what changes; and finding the one under a pointer.

export const GONE = 255;
const DEGREE = Math.PI / 180;

interface Head {
  epoch: string;
  version: number;
  count: number;
  origin: [number, number];
}

export interface Changes {
  version: number;
  count: number;
  from?: number;
  points?: number[];
  moves?: number[];
  states?: number[];
  all?: string;
}

/** Web Mercator, the world as 0…1 to the east and to the south. */
export function mercator(lon: number, lat: number): [number, number] {
  return [(lon + 180) / 360, 0.5 - Math.log(Math.tan(Math.PI / 4 + (lat * DEGREE) / 2)) / (2 * Math.PI)];
}

export function degrees(x: number, y: number): [number, number] {
  return [x * 360 - 180, Math.atan(Math.sinh(Math.PI * (1 - 2 * y))) / DEGREE];
}

function bytes(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}

export class Points {
  count = 0;
  mark = "";
  lon = new Float64Array(0);
  lat = new Float64Array(0);
  /** Mercator positions relative to `origin`: float32 alone would be off by metres. */
  xy = new Float32Array(0);
  code = new Uint8Array(0);
  /** Seconds (performance.now) at which a point last flashed. */
  flashed = new Float32Array(0);
  origin: [number, number] = [0, 0];
  /** Raised whenever positions or capacity changed as a whole. */
  shape = 0;
  private epoch = "";
  private grid: Grid | null = null;

  snapshot(buffer: ArrayBuffer): void {
    const length = new DataView(buffer).getUint32(0, true);
    const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length))) as Head;
    const positions = new Float32Array(buffer, 4 + length, head.count * 2);
    const codes = new Uint8Array(buffer, 4 + length + head.count * 8, head.count);
    this.epoch = head.epoch;
    this.mark = `${head.epoch}.${head.version}`;
    this.count = 0;
    this.reserve(Math.max(1024, Math.ceil(head.count * 1.1)));
    this.count = head.count;
    this.origin = mercator(head.origin[0], head.origin[1]);
    this.code.set(codes);
    this.flashed.fill(-1e6);
    for (let i = 0; i < head.count; i++) this.place(i, head.origin[0] + positions[2 * i], head.origin[1] + positions[2 * i + 1]);
    this.shape++;
    this.grid = null;
  }

  snapshotText(text: string): void {
    this.snapshot(bytes(JSON.parse(text) as string).buffer as ArrayBuffer);
  }

  /** Takes changes in; the indices whose state was told again. */
  change(told: Changes): number[] {
    const touched: number[] = [];
    if (told.points && told.from !== undefined) {
      if (told.count > this.code.length) this.reserve(Math.ceil(told.count * 1.3));
      if (this.count === 0 && told.points.length) this.origin = mercator(told.points[0], told.points[1]);
      this.count = told.count;
      for (let i = 0; i < told.points.length / 2; i++) this.place(told.from + i, told.points[2 * i], told.points[2 * i + 1]);
    }
    if (told.moves) for (let i = 0; i < told.moves.length; i += 3) this.place(told.moves[i], told.moves[i + 1], told.moves[i + 2]);
    if (told.points || told.moves) {
      this.shape++;
      this.grid = null;
    }
    if (told.all) {
      const codes = bytes(told.all);
      for (let i = 0; i < codes.length; i++) if (codes[i] !== this.code[i]) touched.push(i);
      this.code.set(codes);
    }
    if (told.states) {
      for (let i = 0; i < told.states.length; i += 2) {
        this.code[told.states[i]] = told.states[i + 1];
        touched.push(told.states[i]);
      }
    }
    this.mark = `${this.epoch}.${told.version}`;
    return touched;
  }

  /** West, south, east, north of all points (of the middle 99 %, so that one stray does not shrink the city). */
  bounds(): [number, number, number, number] | null {
    const lons: number[] = [];
    const lats: number[] = [];
    for (let i = 0; i < this.count; i++) {
      if (this.code[i] === GONE) continue;
      lons.push(this.lon[i]);
      lats.push(this.lat[i]);
    }
    if (!lons.length) return null;
    const cut = (values: number[]): [number, number] => {
      const sorted = Float64Array.from(values).sort();
      const off = sorted.length > 200 ? Math.floor(sorted.length * 0.001) : 0;
      return [sorted[off], sorted[sorted.length - 1 - off]];
    };
    const [west, east] = cut(lons);
    const [south, north] = cut(lats);
    return [west, south, east, north];
  }

  counts(): Uint32Array {
    const found = new Uint32Array(256);
    for (let i = 0; i < this.count; i++) found[this.code[i]]++;
    return found;
  }

  /** The nearest shown point within a radius around a place, all in Mercator units; -1 if there is none. */
  nearest(x: number, y: number, radius: number, hidden: Set<number>): number {
    this.grid ??= new Grid(this.xy, this.count);
    return this.grid.nearest(x - this.origin[0], y - this.origin[1], radius, (i) => this.code[i] !== GONE && !hidden.has(this.code[i]));
  }

  private place(index: number, lon: number, lat: number): void {
    const [x, y] = mercator(lon, lat);
    this.lon[index] = lon;
    this.lat[index] = lat;
    this.xy[2 * index] = x - this.origin[0];
    this.xy[2 * index + 1] = y - this.origin[1];
  }

  private reserve(capacity: number): void {
    const n = this.count;
    const grown = <T extends Float64Array | Float32Array | Uint8Array>(fresh: T, old: T, size: number): T => {
      fresh.set(old.subarray(0, n * size));
      return fresh;
    };
    this.lon = grown(new Float64Array(capacity), this.lon, 1);
    this.lat = grown(new Float64Array(capacity), this.lat, 1);
    this.xy = grown(new Float32Array(capacity * 2), this.xy, 2);
    this.code = grown(new Uint8Array(capacity).fill(GONE), this.code, 1);
    this.flashed = grown(new Float32Array(capacity).fill(-1e6), this.flashed, 1);
  }
}

/** Points by the cell of a grid, as two arrays: where each cell begins, and who is in it. */
class Grid {
  private static readonly SIDE = 256;
  private starts = new Uint32Array(Grid.SIDE * Grid.SIDE + 1);
  private items: Uint32Array;
  private left = Infinity;
  private top = Infinity;
  private cell = 1e-9;

  constructor(
    private xy: Float32Array,
    count: number,
  ) {
    let right = -Infinity;
    let bottom = -Infinity;
    for (let i = 0; i < count; i++) {
      this.left = Math.min(this.left, xy[2 * i]);
      right = Math.max(right, xy[2 * i]);
      this.top = Math.min(this.top, xy[2 * i + 1]);
      bottom = Math.max(bottom, xy[2 * i + 1]);
    }
    if (count) this.cell = Math.max(right - this.left, bottom - this.top, 1e-9) / (Grid.SIDE - 0.001);
    this.items = new Uint32Array(count);
    const cells = new Uint32Array(count);
    for (let i = 0; i < count; i++) {
      cells[i] = this.column(xy[2 * i + 1] - this.top) * Grid.SIDE + this.column(xy[2 * i] - this.left);
      this.starts[cells[i] + 1]++;
    }
    for (let c = 0; c < Grid.SIDE * Grid.SIDE; c++) this.starts[c + 1] += this.starts[c];
    const next = this.starts.slice();
    for (let i = 0; i < count; i++) this.items[next[cells[i]]++] = i;
  }

  private column(offset: number): number {
    return Math.min(Grid.SIDE - 1, Math.max(0, Math.floor(offset / this.cell)));
  }

  nearest(x: number, y: number, radius: number, shown: (i: number) => boolean): number {
    let best = -1;
    let least = radius * radius;
    for (let row = this.column(y - radius - this.top); row <= this.column(y + radius - this.top); row++) {
      const first = row * Grid.SIDE + this.column(x - radius - this.left);
      const last = row * Grid.SIDE + this.column(x + radius - this.left);
      for (let k = this.starts[first]; k < this.starts[last + 1]; k++) {
        const i = this.items[k];
        const far = (this.xy[2 * i] - x) ** 2 + (this.xy[2 * i + 1] - y) ** 2;
        if (far <= least && shown(i)) {
          least = far;
          best = i;
        }
      }
    }
    return best;
  }
}
