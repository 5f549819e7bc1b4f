// Keeps a page as the cluster is: takes fragments of the page from the node as they change, and puts
// in only what is different, so that nothing jumps and the focus stays. Without it the page works
// when it is loaded again.
"use strict";
(() => {
  const live = document.getElementById("live");
  if (!live || !window.EventSource) return;
  const lost = document.querySelector(".lost");
  const source = new EventSource(live.dataset.events);
  source.addEventListener("page", (event) => {
    lost.hidden = true;
    // In an element, as in the page: a parser leaves out what is white before the first one.
    const page = new DOMParser().parseFromString(`<div>${event.data}</div>`, "text/html");
    become(live, page.body.firstChild);
  });
  source.addEventListener("end", () => {
    source.close();
    location.reload();
  });
  source.addEventListener("open", () => { lost.hidden = true; });
  source.addEventListener("error", () => { lost.hidden = false; });

  // Makes the children of one what those of the other are.
  function become(old, fresh) {
    const wanted = Array.from(fresh.childNodes);
    const known = Array.from(old.childNodes);
    wanted.forEach((node, place) => {
      const current = known[place];
      if (!current) old.append(document.importNode(node, true));
      else if (isAlike(current, node)) update(current, node);
      else current.replaceWith(document.importNode(node, true));
    });
    known.slice(wanted.length).forEach((node) => node.remove());
  }

  function isAlike(one, other) {
    return one.nodeName === other.nodeName && one.id === other.id;
  }

  function update(old, fresh) {
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
      return;
    }
    for (const { name } of Array.from(old.attributes)) {
      if (!fresh.hasAttribute(name)) old.removeAttribute(name);
    }
    for (const { name, value } of Array.from(fresh.attributes)) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    become(old, fresh);
  }
})();
