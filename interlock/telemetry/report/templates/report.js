"use strict";
(function () {
  var root = document.documentElement;
  var button = document.getElementById("theme");
  function isDark() {
    var set = root.getAttribute("data-theme");
    return set ? set === "dark" : window.matchMedia("(prefers-color-scheme: dark)").matches;
  }
  function name() { button.textContent = isDark() ? "Light" : "Dark"; }
  button.hidden = false;
  name();
  button.addEventListener("click", function () {
    root.setAttribute("data-theme", isDark() ? "light" : "dark");
    name();
  });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", name);

  var steps = Array.prototype.slice.call(document.querySelectorAll("svg.dag a.step"));
  function box(step) { return step.querySelector("rect").getBoundingClientRect(); }
  function nearest(from, key) {
    var here = box(from), best = null, least = Infinity;
    steps.forEach(function (step) {
      if (step === from) { return; }
      var there = box(step);
      var dx = there.left - here.left, dy = there.top - here.top;
      var along = { ArrowRight: dx, ArrowLeft: -dx, ArrowDown: dy, ArrowUp: -dy }[key];
      var across = Math.abs(key === "ArrowRight" || key === "ArrowLeft" ? dy : dx);
      if (along <= 1) { return; }
      var far = along + 2 * across;
      if (far < least) { least = far; best = step; }
    });
    return best;
  }
  steps.forEach(function (step) {
    step.addEventListener("keydown", function (event) {
      if (!/^Arrow/.test(event.key)) { return; }
      var next = nearest(step, event.key);
      if (next) { event.preventDefault(); next.focus(); next.scrollIntoView({ block: "nearest", inline: "nearest" }); }
    });
  });

  var list = document.getElementById("handoff-list");
  if (!list) { return; }
  var form = document.querySelector(".filters");
  var words = document.getElementById("filter");
  var verdict = document.getElementById("filter-verdict");
  var count = document.getElementById("filter-count");
  var rows = Array.prototype.slice.call(list.children);
  var texts = null;
  var only = null;
  var timer = 0;
  form.hidden = false;
  form.addEventListener("submit", function (event) { event.preventDefault(); });
  function apply() {
    var wanted = words.value.trim().toLowerCase(), shown = 0;
    if (wanted && !texts) { texts = rows.map(function (row) { return row.textContent.toLowerCase(); }); }
    rows.forEach(function (row, place) {
      var fits = (!wanted || (only ? row.dataset.step === only : texts[place].indexOf(wanted) >= 0)) &&
        (!verdict.value || row.dataset.verdict === verdict.value);
      row.hidden = !fits;
      if (fits) { shown += 1; }
    });
    count.textContent = shown + " of " + rows.length;
    steps.forEach(function (step) {
      step.classList.toggle("found", !!wanted && (only ? step.dataset.step === only : step.dataset.step.toLowerCase().indexOf(wanted) >= 0));
    });
  }
  words.addEventListener("input", function () { only = null; window.clearTimeout(timer); timer = window.setTimeout(apply, 120); });
  verdict.addEventListener("change", apply);
  document.addEventListener("keydown", function (event) {
    if (event.key !== "Escape") { return; }
    var open = document.activeElement && document.activeElement.closest("details[open]");
    if (open) { open.open = false; open.querySelector("summary").focus(); return; }
    if (words.value || verdict.value) { words.value = ""; verdict.value = ""; only = null; apply(); }
  });
  document.querySelectorAll("a.to-handoffs").forEach(function (link) {
    link.addEventListener("click", function () { only = link.dataset.step; words.value = only; verdict.value = ""; apply(); });
  });
  apply();
})();
