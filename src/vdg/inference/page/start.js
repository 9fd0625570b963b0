// Say what keeps the page from working; load it otherwise. An old script on purpose: modules do
// not run where a page is opened as a file.
(function () {
  "use strict";
  var problem = document.getElementById("problem");
  var status = document.getElementById("status");

  function stop(text) {
    status.textContent = "";
    problem.textContent = text;
    document.body.classList.add("stopped");
  }

  if (location.protocol === "file:") {
    stop(
      "This page was opened as a file, and browsers let no such page load a model. Serve its " +
        "folder instead: run “python3 -m http.server --bind 127.0.0.1” in it, then open " +
        "http://127.0.0.1:8000/. Any static web host works, too; no network is needed.",
    );
  } else if (typeof WebAssembly !== "object") {
    stop(
      "This browser has no WebAssembly, or it is switched off (a “lockdown” or “strict” mode " +
        "does so). The model needs it: allow it for this page, or use another browser.",
    );
  } else if (typeof createImageBitmap !== "function" || typeof PointerEvent !== "function") {
    stop("This browser is too old for this page. Use a newer one.");
  } else {
    import("./page.js").catch(function (error) {
      stop("The page cannot start: " + error.message);
    });
  }
})();
