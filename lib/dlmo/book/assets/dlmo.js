// Small repairs of the pages, each for a reason.
(function () {
  "use strict";

  // A region that scrolls must be reachable by keyboard, and one that doesn't must not be a stop.
  const SCROLLERS =
    ".cell_output .output, .dlmo-scroll, .dlmo-strategy-wide, .pst-scrollable-table-container, " +
    "mjx-container[display]";

  function reach(region) {
    const scrolls = region.scrollWidth > region.clientWidth + 1;
    region.toggleAttribute("data-scrolls", scrolls);
    if (scrolls) {
      region.tabIndex = 0;
    } else if (region.tabIndex === 0) {
      region.removeAttribute("tabindex");
    }
  }

  function reachAll() {
    document.querySelectorAll(SCROLLERS).forEach(reach);
  }

  // A link to a folded entry unfolds it.
  function unfold() {
    const entry = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    if (entry && entry.matches("details.dlmo-entry")) {
      entry.open = true;
      entry.scrollIntoView();
    }
  }

  window.addEventListener("load", unfold);
  window.addEventListener("hashchange", unfold);
  window.addEventListener("load", reachAll);
  window.addEventListener("resize", reachAll);
  // What is folded up has no width until it is unfolded.
  document.addEventListener("toggle", reachAll, true);
  // A form may have drawn its answer anew.
  document.addEventListener("input", reachAll);
  document.addEventListener("click", reachAll);
})();
