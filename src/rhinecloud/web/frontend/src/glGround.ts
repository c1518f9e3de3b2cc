// The map with WebGL: MapLibre for the ground, one custom layer for all points.
import { AttributionControl, type CustomLayerInterface, type CustomRenderMethodInput, Map as GlMap, NavigationControl, ScaleControl, setWorkerUrl, type StyleSpecification } from "maplibre-gl";
import workerUrl from "maplibre-gl/dist/maplibre-gl-worker.mjs?url";
import { type Bounds, type Ground, PALETTE, type Reports, type Scene, scaleAt, SHAPES } from "./ground";
import { mercator } from "./points";

const VERTEX = `#version 300 es
uniform mat4 u_matrix;
uniform float u_scale, u_now, u_alarm, u_halo;
uniform sampler2D u_looks; // row 0: colour; row 1: size / 64, shape, alarm, shown
in vec2 a_xy;
in float a_code, a_flashed;
out vec4 v_colour;
out float v_shape, v_flash, v_size;
void main() {
  vec4 colour = texelFetch(u_looks, ivec2(int(a_code), 0), 0);
  vec4 look = texelFetch(u_looks, ivec2(int(a_code), 1), 0);
  bool shown = look.a > 0.5 && (u_halo > 0.5 || (look.b > 0.5) == (u_alarm > 0.5));
  float age = u_now - a_flashed;
  v_flash = age < 1.2 ? 1.0 - age / 1.2 : 0.0;
  v_size = look.r * 64.0 * u_scale;
  float size = v_size;
  if (v_flash > 0.0) size = v_size * (1.0 + 2.2 * (1.0 - v_flash));
  if (u_halo > 0.5) size = v_size + 12.0 * u_scale + 10.0;
  gl_Position = shown ? u_matrix * vec4(a_xy, 0.0, 1.0) : vec4(2.0, 2.0, 2.0, 1.0);
  gl_PointSize = size;
  v_size = v_size / size;
  v_colour = colour;
  v_shape = floor(look.g * 255.0 + 0.5);
}`;

const FRAGMENT = `#version 300 es
precision highp float;
uniform float u_halo;
uniform vec3 u_ink, u_paper;
in vec4 v_colour;
in float v_shape, v_flash, v_size;
out vec4 colour;
float distance_to(vec2 p) { // 0 at the rim, in units of half the point's size
  if (v_shape < 1.5) return length(p) - 0.86;
  if (v_shape < 2.5) return max(abs(p.x) * 0.9 + p.y * -0.45, p.y) - 0.5;
  if (v_shape < 4.5) return max(abs(p.x), abs(p.y)) - 0.8;
  return abs(p.x) + abs(p.y) - 0.95;
}
void main() {
  vec2 p = gl_PointCoord * 2.0 - 1.0;
  float soft = fwidth(p.x) * 1.2;
  if (u_halo > 0.5) {
    float ring = abs(length(p) - 0.84) - 0.09;
    colour = vec4(u_ink, 1.0) * smoothstep(soft, -soft, ring);
    return;
  }
  float around = length(p);
  vec2 q = p / v_size;
  float pixel = soft / v_size;
  float d = distance_to(q);
  bool open = v_shape == 1.0 || v_shape == 4.0;
  float body = open ? abs(d + 0.22) - 0.2 : d;
  float solid = smoothstep(pixel, -pixel, body);
  float rim = open ? 0.0 : smoothstep(pixel, -pixel, d - 0.12) * 0.55; // keeps neighbours apart
  vec4 mark = vec4(v_colour.rgb, 1.0) * solid;
  mark += vec4(u_paper, 1.0) * rim * (1.0 - mark.a);
  float wave = v_flash > 0.0 ? smoothstep(soft * 2.0, -soft, abs(around - 0.9) - 0.08) * v_flash : 0.0;
  colour = mark + vec4(v_colour.rgb, 1.0) * wave * (1.0 - mark.a);
}`;

function rgb(hex: string): [number, number, number] {
  const n = parseInt(hex.slice(1), 16);
  return [n >> 16, (n >> 8) & 255, n & 255];
}

class PointLayer implements CustomLayerInterface {
  readonly id = "points";
  readonly type = "custom" as const;
  readonly renderingMode = "2d" as const;
  private program: WebGLProgram | null = null;
  private buffers: WebGLBuffer[] = [];
  private array: WebGLVertexArrayObject | null = null;
  private looks: WebGLTexture | null = null;
  private uniform: Record<string, WebGLUniformLocation | null> = {};
  private shape = -1;
  private capacity = -1;
  private stale: number[] | "all" | null = "all";
  private staleLooks = true;
  private flashing = 0;

  constructor(
    private scene: Scene,
    private map: () => GlMap,
  ) {}

  changed(indices?: number[]): void {
    if (!indices) this.stale = "all";
    else if (this.stale !== "all") this.stale = (this.stale ?? []).concat(indices);
  }

  restyle(): void {
    this.staleLooks = true;
  }

  onAdd(_map: GlMap, context: WebGL2RenderingContext | WebGLRenderingContext): void {
    const gl = context as WebGL2RenderingContext;
    const program = gl.createProgram()!;
    for (const [kind, source] of [
      [gl.VERTEX_SHADER, VERTEX],
      [gl.FRAGMENT_SHADER, FRAGMENT],
    ] as const) {
      const shader = gl.createShader(kind)!;
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader) ?? "shader");
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program) ?? "program");
    this.program = program;
    for (const name of ["u_matrix", "u_scale", "u_now", "u_alarm", "u_halo", "u_looks", "u_ink", "u_paper"]) this.uniform[name] = gl.getUniformLocation(program, name);
    this.array = gl.createVertexArray();
    this.buffers = [gl.createBuffer()!, gl.createBuffer()!, gl.createBuffer()!];
    gl.bindVertexArray(this.array);
    const attribute = (name: string, buffer: WebGLBuffer, size: number, type: number) => {
      const at = gl.getAttribLocation(program, name);
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      gl.enableVertexAttribArray(at);
      gl.vertexAttribPointer(at, size, type, false, 0, 0);
    };
    attribute("a_xy", this.buffers[0], 2, gl.FLOAT);
    attribute("a_code", this.buffers[1], 1, gl.UNSIGNED_BYTE);
    attribute("a_flashed", this.buffers[2], 1, gl.FLOAT);
    gl.bindVertexArray(null);
    this.looks = gl.createTexture();
    this.shape = this.capacity = -1;
    this.stale = "all";
    this.staleLooks = true;
  }

  onRemove(_map: GlMap, gl: WebGLRenderingContext | WebGL2RenderingContext): void {
    for (const buffer of this.buffers) gl.deleteBuffer(buffer);
    gl.deleteProgram(this.program);
    gl.deleteTexture(this.looks);
  }

  private upload(gl: WebGL2RenderingContext): void {
    const points = this.scene.points;
    const arrays = [points.xy, points.code, points.flashed];
    if (this.capacity !== points.code.length) {
      arrays.forEach((data, k) => {
        gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[k]);
        gl.bufferData(gl.ARRAY_BUFFER, data, gl.DYNAMIC_DRAW);
      });
      this.capacity = points.code.length;
    } else if (this.stale || this.shape !== points.shape) {
      if (this.shape !== points.shape) {
        gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[0]);
        gl.bufferSubData(gl.ARRAY_BUFFER, 0, points.xy, 0, points.count * 2);
      }
      // One span from the lowest to the highest changed index: 50 kB for all codes, cheaper than many calls.
      let first = 0;
      let last = points.count - 1;
      if (Array.isArray(this.stale) && this.shape === points.shape) {
        first = this.stale.reduce((a, b) => Math.min(a, b), points.count);
        last = this.stale.reduce((a, b) => Math.max(a, b), -1);
      }
      if (last >= first) {
        gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[1]);
        gl.bufferSubData(gl.ARRAY_BUFFER, first, points.code, first, last - first + 1);
        gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[2]);
        gl.bufferSubData(gl.ARRAY_BUFFER, first * 4, points.flashed, first, last - first + 1);
      }
    }
    if (this.stale) {
      const until = performance.now() / 1000 + 1.2;
      this.flashing = Math.max(this.flashing, until);
    }
    this.shape = points.shape;
    this.stale = null;
    gl.bindBuffer(gl.ARRAY_BUFFER, null);
  }

  private uploadLooks(gl: WebGL2RenderingContext): void {
    const data = new Uint8Array(256 * 2 * 4);
    for (const [code, look] of this.scene.looks) {
      data.set([...rgb(this.scene.dark ? look.dark : look.light), 255], code * 4);
      data.set([Math.round(look.size * 4), SHAPES.indexOf(look.shape), look.alarm ? 255 : 0, this.scene.hidden.has(code) ? 0 : 255], (256 + code) * 4);
    }
    gl.pixelStorei(gl.UNPACK_FLIP_Y_WEBGL, false);
    gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, 256, 2, 0, gl.RGBA, gl.UNSIGNED_BYTE, data);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    this.staleLooks = false;
  }

  render(context: WebGL2RenderingContext | WebGLRenderingContext, input: CustomRenderMethodInput): void {
    const gl = context as WebGL2RenderingContext;
    const { points } = this.scene;
    if (!points.count || !this.program) return;
    this.upload(gl);
    const zoom = this.map().getZoom();
    // World pixels to clip space in double precision; moved to the points' origin before it is cut to float32.
    const m = Array.from(input.modelViewProjectionMatrix as ArrayLike<number>);
    const world = 512 * 2 ** zoom;
    const [ox, oy] = points.origin;
    for (let k = 0; k < 4; k++) m[12 + k] += (m[k] * ox + m[4 + k] * oy) * world;
    for (let k = 0; k < 8; k++) m[k] *= world;
    const now = performance.now() / 1000;
    gl.useProgram(this.program);
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, this.looks);
    if (this.staleLooks) this.uploadLooks(gl);
    gl.uniform1i(this.uniform.u_looks, 0);
    gl.uniformMatrix4fv(this.uniform.u_matrix, false, new Float32Array(m));
    gl.uniform1f(this.uniform.u_scale, scaleAt(zoom) * window.devicePixelRatio);
    gl.uniform1f(this.uniform.u_now, this.scene.calm ? 1e9 : now);
    const ground = PALETTE[this.scene.dark ? "dark" : "light"];
    gl.uniform3f(this.uniform.u_ink, ...(this.scene.dark ? [1, 1, 1] : [0.05, 0.1, 0.3]) as [number, number, number]);
    gl.uniform3f(this.uniform.u_paper, ...(rgb(ground.land).map((v) => v / 255) as [number, number, number]));
    gl.bindVertexArray(this.array);
    gl.disable(gl.DEPTH_TEST);
    gl.disable(gl.STENCIL_TEST);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.uniform1f(this.uniform.u_halo, 0);
    for (const alarm of [0, 1]) {
      gl.uniform1f(this.uniform.u_alarm, alarm);
      gl.drawArrays(gl.POINTS, 0, points.count);
    }
    if (this.scene.selected >= 0) {
      gl.uniform1f(this.uniform.u_halo, 1);
      gl.drawArrays(gl.POINTS, this.scene.selected, 1);
    }
    gl.bindVertexArray(null);
    if (now < this.flashing && !this.scene.calm) this.map().triggerRepaint();
  }
}

function plainStyle(dark: boolean, outline: string | undefined): StyleSpecification {
  const colours = PALETTE[dark ? "dark" : "light"];
  const style: StyleSpecification = {
    version: 8,
    sources: {},
    layers: [{ id: "ground", type: "background", paint: { "background-color": outline ? colours.ground : colours.land } }],
  };
  if (outline) {
    style.sources.outline = { type: "geojson", data: new URL(outline, location.href).href };
    style.layers.push(
      { id: "land", type: "fill", source: "outline", paint: { "fill-color": colours.land } },
      { id: "line", type: "line", source: "outline", paint: { "line-color": colours.line, "line-width": 1.2 } },
    );
  }
  return style;
}

export function glGround(place: HTMLElement, scene: Scene, reports: Reports, start: Bounds | null): Promise<Ground> {
  setWorkerUrl(workerUrl);
  const { style, outline } = place.dataset;
  const { texts } = scene;
  const map = new GlMap({
    container: place,
    style: style ?? plainStyle(scene.dark, outline),
    bounds: start ?? [6.62, 51.33, 6.84, 51.56],
    fitBoundsOptions: { padding: 24 },
    attributionControl: false,
    dragRotate: false,
    pitchWithRotate: false,
    maxZoom: 20,
    fadeDuration: 0,
    locale: {
      "Map.Title": texts.label,
      "NavigationControl.ZoomIn": texts.zoomIn,
      "NavigationControl.ZoomOut": texts.zoomOut,
      "NavigationControl.ResetBearing": texts.north,
    },
  });
  map.touchZoomRotate.disableRotation();
  map.addControl(new NavigationControl({ showCompass: false }), "top-left");
  map.addControl(new ScaleControl({ unit: "metric" }), "bottom-left");
  if (style) map.addControl(new AttributionControl({ compact: true }), "bottom-right");
  const layer = new PointLayer(scene, () => map);
  map.on("style.load", () => {
    if (!map.getLayer("points")) map.addLayer(layer);
  });
  const pick = (lng: number, lat: number): number => {
    const reach = 14 / (512 * 2 ** map.getZoom());
    const [x, y] = mercator(lng, lat);
    return scene.points.nearest(x, y, reach, scene.hidden);
  };
  map.on("click", (event) => reports.clicked(pick(event.lngLat.lng, event.lngLat.lat)));
  map.on("mousemove", (event) => {
    const index = pick(event.lngLat.lng, event.lngLat.lat);
    map.getCanvas().style.cursor = index >= 0 ? "pointer" : "";
    reports.hovered(index, event.point.x, event.point.y);
  });
  map.on("mouseout", () => reports.hovered(-1, 0, 0));
  map.on("moveend", () => reports.moved());
  const ground: Ground = {
    bounds: () => {
      const b = map.getBounds();
      return [b.getWest(), b.getSouth(), b.getEast(), b.getNorth()];
    },
    fit: (bounds) => map.fitBounds(bounds, { padding: 24, duration: scene.calm ? 0 : 600 }),
    fly: (lon, lat) => map.easeTo({ center: [lon, lat], zoom: Math.max(map.getZoom(), 16.5), duration: scene.calm ? 0 : 900 }),
    under: (x, y) => {
      const { lng, lat } = map.unproject([x, y]);
      return [lng, lat];
    },
    redraw: (indices) => {
      layer.changed(indices);
      map.triggerRepaint();
    },
    restyle: () => {
      layer.restyle();
      if (!style) {
        const colours = PALETTE[scene.dark ? "dark" : "light"];
        map.setPaintProperty("ground", "background-color", outline ? colours.ground : colours.land);
        if (outline) {
          map.setPaintProperty("land", "fill-color", colours.land);
          map.setPaintProperty("line", "line-color", colours.line);
        }
      }
      map.triggerRepaint();
    },
  };
  return new Promise((resolve) => map.once("idle", () => resolve(ground)));
}
