{# What the pages of orders load; another version of any of it makes this another worker. #}
const ASSETS = {{ [assets.style("shell"), assets.script("shell"), assets.font("fira-sans-400"), assets.font("fira-sans-600"), static("work.css"), static("work.js")] | json }}.concat({{ assets.preloads("shell") | json }});
importScripts({{ static("orders-worker.js") | json }});
