declare module "htmx.org/dist/htmx.esm.min.js" {
  interface Htmx {
    ajax(verb: string, path: string, context: object): Promise<void>;
    process(element: Element): void;
  }
  const htmx: Htmx;
  export default htmx;
}
declare module "htmx.org/dist/ext/hx-sse.min.js";
