// Draws the charts of a page. Colours are CSS variables in an SVG: light and dark need no redrawing.
(function () {
  "use strict";

  // A chart as wide as its column follows the column, not only the window.
  function follow(view) {
    let width = view.clientWidth;
    new ResizeObserver(function () {
      if (view.clientWidth === width) return;
      width = view.clientWidth;
      window.dispatchEvent(new Event("resize"));
    }).observe(view);
  }

  // A legend above a narrow chart breaks into lines; Vega-Lite would let it run over the edge.
  function breakLegend(specification, width) {
    const config = (specification.config ??= {});
    config.legend = { columns: Math.max(2, Math.floor((width - 50) / 85)), ...config.legend };
  }

  function draw(chart) {
    const view = chart.querySelector(".dlmo-chart-view");
    const specification = JSON.parse(chart.querySelector("script").textContent);
    if (specification.width === "container") breakLegend(specification, view.clientWidth);
    return window
      .vegaEmbed(view, specification, {
        actions: false,
        renderer: "svg",
        tooltip: { theme: "custom" },
      })
      .then(function () {
        chart.dataset.drawn = "true";
        if (specification.width === "container") follow(view);
        if (view.scrollWidth > view.clientWidth) {
          view.tabIndex = 0;
          view.setAttribute("role", "group");
          view.setAttribute("aria-label", specification.description + " (scrolls sideways)");
        }
      });
  }

  document.querySelectorAll(".dlmo-chart").forEach(draw);
})();
