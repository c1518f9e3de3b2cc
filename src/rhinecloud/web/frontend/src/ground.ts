// What both ways of drawing offer to the map's island.
import type { Points } from "./points";

export interface Look {
  key: string;
  shape: "disc" | "ring" | "triangle" | "square" | "frame" | "diamond";
  light: string;
  dark: string;
  size: number;
  alarm: boolean;
}

export interface Texts {
  codes: Record<string, Look>;
  flashes: number[];
  lang: string;
  live: string;
  lost: string;
  plain: string;
  label: string;
  zoomIn: string;
  zoomOut: string;
  north: string;
  whole: string;
  objects: string;
}

export interface Scene {
  points: Points;
  looks: Map<number, Look>;
  hidden: Set<number>;
  selected: number;
  dark: boolean;
  calm: boolean; // the reader asked for less motion
  texts: Texts;
}

export type Bounds = [number, number, number, number];

export interface Ground {
  bounds(): Bounds;
  fit(bounds: Bounds): void;
  fly(lon: number, lat: number): void;
  /** Longitude and latitude under a place of the drawing, in CSS pixels. */
  under(x: number, y: number): [number, number];
  /** Something of the scene changed; `indices` only, if given. */
  redraw(indices?: number[]): void;
  /** Colours changed. */
  restyle(): void;
}

export interface Reports {
  moved(): void;
  clicked(index: number): void;
  hovered(index: number, x: number, y: number): void;
}

export const PALETTE = {
  light: { ground: "#eef1f5", land: "#ffffff", line: "#9aa7ba" },
  dark: { ground: "#0d1420", land: "#151f2f", line: "#44546e" },
};

/** How much bigger than its nominal size a point is drawn at a zoom level. */
export function scaleAt(zoom: number): number {
  return Math.min(2, Math.max(0.3, 0.4 + (zoom - 11) * 0.17));
}

/** Shapes as the shader numbers them. */
export const SHAPES = ["disc", "ring", "triangle", "square", "frame", "diamond"];
