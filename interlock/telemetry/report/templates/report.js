"use strict";
(function () {
  var root = document.documentElement;

  function all(selector, within) {
    return Array.prototype.slice.call((within || document).querySelectorAll(selector));
  }
  function later(work) {
    var timer = 0;
    return function () { window.clearTimeout(timer); timer = window.setTimeout(work, 120); };
  }

  // The theme: the system's, until the button says otherwise.
  (function () {
    var button = document.getElementById("theme");
    var system = window.matchMedia("(prefers-color-scheme: dark)");
    function isDark() {
      var set = root.getAttribute("data-theme");
      return set ? set === "dark" : system.matches;
    }
    function name() { button.textContent = isDark() ? "Light" : "Dark"; }
    button.hidden = false;
    name();
    button.addEventListener("click", function () {
      root.setAttribute("data-theme", isDark() ? "light" : "dark");
      name();
    });
    system.addEventListener("change", name);
  })();

  // The task graphs: one tab stop each, arrow keys, zoom, search, and the edges of a step lit up.
  var drawings = all("#graph svg.dag").map(drive);
  var steps = drawings.reduce(function (some, drawing) { return some.concat(drawing.steps); }, []);

  function drive(svg) {
    var pan = svg.parentNode, tools = pan.previousElementSibling;
    var nodes = all("a.step", svg);
    var places = nodes.map(function (step) {
      var rect = step.querySelector("rect");
      return { x: +rect.getAttribute("x"), y: +rect.getAttribute("y") };
    });
    var width = +svg.getAttribute("width"), height = +svg.getAttribute("height"), scale = 1;
    var edges = {}, lit = [];
    all(".edges path", svg).forEach(function (path) {
      [path.dataset.from, path.dataset.to].forEach(function (name) {
        (edges[name] = edges[name] || []).push(path);
      });
    });

    function light(step) {
      lit.forEach(function (path) { path.classList.remove("lit"); });
      lit = step ? edges[step.dataset.step] || [] : [];
      lit.forEach(function (path) { path.classList.add("lit"); });
    }
    function zoom(to) {
      var middleX = (pan.scrollLeft + pan.clientWidth / 2) / scale;
      var middleY = (pan.scrollTop + pan.clientHeight / 2) / scale;
      scale = Math.min(4, Math.max(0.1, to));
      svg.setAttribute("width", String(Math.round(width * scale)));
      svg.setAttribute("height", String(Math.round(height * scale)));
      pan.scrollLeft = middleX * scale - pan.clientWidth / 2;
      pan.scrollTop = middleY * scale - pan.clientHeight / 2;
    }
    function fit() {
      var room = Math.min(window.innerHeight * 0.75, 900) - 20;
      zoom(Math.min(1, (pan.clientWidth - 20) / width, room / height));
    }
    function go(step) {
      nodes.forEach(function (one) { one.tabIndex = one === step ? 0 : -1; });
      step.focus({ preventScroll: true });
      step.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
    function nearest(from, key) {
      var here = places[nodes.indexOf(from)], best = null, least = Infinity;
      places.forEach(function (there, place) {
        var dx = there.x - here.x, dy = there.y - here.y;
        var along = { ArrowRight: dx, ArrowLeft: -dx, ArrowDown: dy, ArrowUp: -dy }[key];
        var isSideways = key === "ArrowRight" || key === "ArrowLeft";
        var across = Math.abs(isSideways ? dy : dx);
        if (!isSideways && across > 3 * along) { return; }
        if (along > 0.5 && along + 2 * across < least) { least = along + 2 * across; best = nodes[place]; }
      });
      return best;
    }

    nodes.forEach(function (step, place) {
      step.tabIndex = place ? -1 : 0;
      step.addEventListener("focus", function () { light(step); });
      step.addEventListener("blur", function () { light(null); });
      step.addEventListener("mouseenter", function () { light(step); });
      step.addEventListener("mouseleave", function () { light(null); });
    });
    svg.addEventListener("keydown", function (event) {
      var step = event.target.closest("a.step"), next = null;
      if (!step || event.altKey || event.ctrlKey || event.metaKey) { return; }
      if (/^Arrow/.test(event.key)) { next = nearest(step, event.key) || step; }
      if (event.key === "Home") { next = nodes[0]; }
      if (event.key === "End") { next = nodes[nodes.length - 1]; }
      if (next) { event.preventDefault(); go(next); }
    });
    pan.addEventListener("keydown", function (event) {
      if (event.altKey || event.ctrlKey || event.metaKey) { return; }
      if (event.key === "+" || event.key === "=") { zoom(scale * 1.25); }
      if (event.key === "-") { zoom(scale / 1.25); }
      if (event.key === "0") { fit(); }
    });
    hold(pan);

    var ways = {
      in: function () { zoom(scale * 1.25); },
      out: function () { zoom(scale / 1.25); },
      full: function () { zoom(1); },
      fit: fit
    };
    tools.hidden = false;
    all("button", tools).forEach(function (button) {
      button.addEventListener("click", ways[button.dataset.zoom]);
    });
    var field = tools.querySelector(".find-step"), told = tools.querySelector(".found-steps");
    var found = [];
    function mark() {
      var wanted = field.value.trim().toLowerCase();
      found = nodes.filter(function (step) {
        var fits = !!wanted && step.dataset.step.toLowerCase().indexOf(wanted) >= 0;
        step.classList.toggle("found", fits);
        return fits;
      });
      told.textContent = wanted ? found.length + " found" : "";
      if (found.length) { found[0].scrollIntoView({ block: "nearest", inline: "center" }); }
    }
    field.addEventListener("input", later(mark));
    field.addEventListener("keydown", function (event) {
      if (event.key === "Enter") { mark(); if (found.length) { event.preventDefault(); go(found[0]); } }
      if (event.key === "Escape" && field.value) { field.value = ""; mark(); event.stopPropagation(); event.preventDefault(); }
    });
    if (!svg.classList.contains("labelled") || (pan.clientWidth - 20) / width > 0.74) { fit(); }
    return { steps: nodes };
  }

  // A drawing is moved by the mouse that holds it.
  function hold(pan) {
    var from = null;
    pan.addEventListener("mousedown", function (event) {
      if (event.button === 0 && !event.target.closest("a")) {
        from = { x: event.clientX + pan.scrollLeft, y: event.clientY + pan.scrollTop };
        pan.classList.add("held");
      }
    });
    window.addEventListener("mousemove", function (event) {
      if (from) { pan.scrollLeft = from.x - event.clientX; pan.scrollTop = from.y - event.clientY; }
    });
    window.addEventListener("mouseup", function () { from = null; pan.classList.remove("held"); });
  }

  // A list that is filtered by words and by one choice.
  function filter(parts) {
    var texts = null, only = null;
    parts.form.hidden = false;
    parts.form.addEventListener("submit", function (event) { event.preventDefault(); });
    function apply() {
      var wanted = parts.words.value.trim().toLowerCase(), choice = parts.choice.value, shown = 0;
      if (wanted && !texts) { texts = parts.rows.map(function (row) { return row.textContent.toLowerCase(); }); }
      parts.rows.forEach(function (row, place) {
        var fits = (!wanted || (only ? row.dataset.step === only : texts[place].indexOf(wanted) >= 0)) &&
          (!choice || row.dataset[parts.by] === choice);
        row.hidden = !fits;
        if (fits) { shown += 1; }
      });
      parts.count.textContent = shown + " of " + parts.rows.length;
      if (parts.after) { parts.after(wanted, only); }
    }
    function clear() { parts.words.value = ""; parts.choice.value = ""; only = null; apply(); }
    parts.words.addEventListener("input", function () { only = null; });
    parts.words.addEventListener("input", later(apply));
    parts.choice.addEventListener("change", apply);
    apply();
    return {
      clear: clear,
      isSet: function () { return !!(parts.words.value || parts.choice.value); },
      show: function (step) { parts.words.value = step; parts.choice.value = ""; only = step; apply(); }
    };
  }

  var table = document.getElementById("step-table"), list = document.getElementById("handoff-list");
  var lines = !table ? null : filter({
    form: document.querySelector("#steps .filters"), words: document.getElementById("find-row"),
    choice: document.getElementById("find-status"), count: document.getElementById("step-count"),
    rows: all("tbody tr", table), by: "status"
  });
  var handoffs = !list ? null : filter({
    form: document.querySelector("#handoffs .filters"), words: document.getElementById("filter"),
    choice: document.getElementById("filter-verdict"), count: document.getElementById("filter-count"),
    rows: all("details.handoff", list), by: "verdict",
    after: function (wanted, only) {
      steps.forEach(function (step) {
        var name = step.dataset.step;
        step.classList.toggle("found", !!wanted && (only ? name === only : name.toLowerCase().indexOf(wanted) >= 0));
      });
    }
  });

  all("a.to-handoffs").forEach(function (link) {
    link.addEventListener("click", function () { if (handoffs) { handoffs.show(link.dataset.step); } });
  });
  if (list) {
    list.addEventListener("keydown", function (event) {
      if (event.target.tagName !== "SUMMARY" || !/^(ArrowDown|ArrowUp|Home|End)$/.test(event.key)) { return; }
      var seen = all("details.handoff:not([hidden]) > summary", list), at = seen.indexOf(event.target);
      var to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: seen.length - 1 }[event.key];
      if (seen[to]) { event.preventDefault(); seen[to].focus(); }
    });
  }

  // Escape closes what is open, then clears what is filtered.
  document.addEventListener("keydown", function (event) {
    if (event.key !== "Escape" || event.defaultPrevented) { return; }
    var open = document.activeElement && document.activeElement.closest("details[open]");
    if (open) { open.open = false; open.querySelector("summary").focus(); return; }
    [lines, handoffs].forEach(function (one) { if (one && one.isSet()) { one.clear(); } });
  });

  // Where a link leads is shown, whatever was filtered or closed.
  function arrive() {
    var name = "";
    try { name = decodeURIComponent(window.location.hash.slice(1)); } catch (error) { return; }
    var target = name && document.getElementById(name);
    if (!target) { return; }
    var row = target.closest("#step-table tbody tr, details.handoff");
    if (!row) { return; }
    if (row.hidden) { (row.tagName === "TR" ? lines : handoffs).clear(); }
    if (row.tagName === "DETAILS") { row.open = true; row.querySelector("summary").focus(); }
    row.scrollIntoView({ block: "center" });
  }
  window.addEventListener("hashchange", arrive);
  arrive();
})();
