import { readFileSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import type { Root } from "postcss";
import postcss from "postcss";
import { PurgeCSS } from "purgecss";
import { defineConfig, type Plugin } from "vite";

const here = import.meta.dirname;
const templates = resolve(here, "../templates");

function files(folder: string, ending: RegExp): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => ending.test(name))
    .map((name) => join(folder, name));
}

/** KERN has 340 kB of rules; only those stay whose classes our templates, islands or apps can show. */
function purge() {
  return {
    postcssPlugin: "purge",
    async Once(root: Root) {
      // The themes' rules stand under :is(…), which is taken for unused: without them dark pages have light inks.
      root.walkRules((rule) => {
        const tokens = rule.nodes.every((node) => node.type === "comment" || (node.type === "decl" && node.prop.startsWith("--")));
        if (tokens && rule.nodes.length) rule.before(postcss.comment({ text: "purgecss ignore" }));
      });
      const content = [...files(templates, /\.html$/), ...files(join(here, "src"), /\.ts$/)].map((name) => ({
        raw: readFileSync(name, "utf8"),
        extension: "html",
      }));
      const [purged] = await new PurgeCSS().purge({
        content,
        css: [{ raw: root.toString() }],
        safelist: {
          // Names that templates put together from data: without them badges vanish and no checker says so.
          standard: [/^kern-(badge|alert|btn|progress)(--|$)/, /^(desk__item|operation__method)--/, /^kern-icon--(info|success|warning|danger|light-mode|dark-mode|brightness-medium)$/, /^u-/, /^maplibregl-/],
          greedy: [/data-kern-theme/],
        },
      });
      root.removeAll();
      root.append(postcss.parse(purged.css, { from: root.source?.input.file }));
    },
  };
}

/** Files are sent compressed as they lie there; nothing is compressed while somebody waits. */
function compressed(): Plugin {
  return {
    name: "compressed",
    apply: "build",
    generateBundle: {
      order: "post",
      handler(_options, bundle) {
        for (const [name, item] of Object.entries(bundle)) {
          if (!/\.(m?js|css|svg|json)$/.test(name) || name === "manifest.json") continue;
          const source = item.type === "chunk" ? item.code : item.source;
          const zipped = gzipSync(source, { level: 9 });
          if (zipped.length + 100 < source.length) {
            this.emitFile({ type: "asset", fileName: `${name}.gz`, source: zipped });
          }
        }
      },
    },
  };
}

export default defineConfig({
  root: here,
  base: "/static/",
  clearScreen: false,
  logLevel: "warn",
  css: { postcss: { plugins: [purge()] } },
  plugins: [compressed()],
  build: {
    outDir: resolve(here, "../static/dist"),
    emptyOutDir: true,
    manifest: "manifest.json",
    assetsDir: "",
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1500,
    rolldownOptions: {
      checks: { pluginTimings: false },
      input: {
        shell: resolve(here, "src/shell.ts"),
        style: resolve(here, "src/shell.css"),
        chart: resolve(here, "src/chart.ts"),
        map: resolve(here, "src/map.ts"),
        passkeys: resolve(here, "src/passkeys.ts"),
        query: resolve(here, "src/query.ts"),
      },
    },
  },
});
