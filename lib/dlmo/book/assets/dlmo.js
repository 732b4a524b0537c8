// Small repairs of the pages, each for a reason.
(function () {
  "use strict";

  // A region that scrolls must be reachable by keyboard, and one that doesn't must not be a stop.
  const SCROLLERS = ".cell_output .output, .pst-scrollable-table-container, mjx-container[display]";

  function reach(region) {
    const scrolls = region.scrollWidth > region.clientWidth + 1;
    if (scrolls) {
      region.tabIndex = 0;
    } else if (region.tabIndex === 0) {
      region.removeAttribute("tabindex");
    }
  }

  function reachAll() {
    document.querySelectorAll(SCROLLERS).forEach(reach);
  }

  window.addEventListener("load", reachAll);
  window.addEventListener("resize", reachAll);
})();
