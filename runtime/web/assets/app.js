// The chat page's script. Without it the page works by plain forms; with it, answers arrive as they are written.
"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const policy = window.trustedTypes ? trustedTypes.createPolicy("hearth", { createHTML: (html) => html }) : { createHTML: (html) => html };

  // === login: the token is in the fragment, which no server sees; it leaves the address bar at once ===
  const token = $("token");
  if (token) {
    if (location.hash.length > 1) {
      token.value = location.hash.slice(1);
      history.replaceState(null, "", "/login");
      $("login").classList.add("ready");
      $("login-lead").textContent = "Your login link has arrived. Use it on this browser only if it is yours.";
      $("login").querySelector("button").focus();
    }
    return;
  }

  const log = $("log"), form = $("say"), box = $("text");
  if (!log || !form) return;
  const working = $("working"), stream = $("stream"), stop = $("stop"), send = $("send"), status = $("status"), thread = $("thread");
  const csrf = form.elements.csrf.value;
  const limit = Number(form.dataset.limit);
  const open = new Set(log.dataset.open.split(" ").filter(Boolean)), ended = new Set();
  let last = Number(log.dataset.last), client = null, streaming = null, wait = 1000, seenTimer = null;
  document.body.classList.add("live");

  const say = (text, kind = "") => { status.textContent = text; status.className = kind; };
  const newId = () => {
    if (crypto.randomUUID) return crypto.randomUUID();
    return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  };
  const post = (path, fields) => fetch(path, {
    method: "POST", headers: { Accept: "application/json" }, body: new URLSearchParams({ csrf, ...fields }),
  });
  const toEnd = () => { thread.scrollTop = 0; };
  const element = (html) => {
    const holder = document.createElement("template");
    holder.innerHTML = policy.createHTML(html);
    return holder.content.firstElementChild;
  };

  // === what runs ===
  const show = () => {
    const runs = open.size > 0;
    working.hidden = !runs;
    stop.hidden = !runs;
    if (!runs) stream.textContent = "";
  };
  const begin = (turn) => { if (!ended.has(turn)) open.add(turn); show(); };
  const end = (turn) => {
    ended.add(turn);
    open.delete(turn);
    if (streaming === turn) { streaming = null; stream.textContent = ""; }
    show();
  };

  // === messages ===
  const separate = (entry) => {
    const days = log.querySelectorAll("[data-day]");
    if (days.length && days[days.length - 1].dataset.day === entry.dataset.day) return;
    const day = document.createElement("li");
    day.className = "day";
    day.append(Object.assign(document.createElement("span"), { textContent: entry.dataset.dayName }));
    log.insertBefore(day, anchor());
  };
  // What is being sent, and what is being written, stay below what was said.
  const anchor = () => log.querySelector(".sending, .failed") || working;
  const place = (message) => {
    if ($("m-" + message.seq)) return;
    const entry = element(message.html), sent = message.nonce && log.querySelector(`[data-sent="${CSS.escape(message.nonce)}"]`);
    if (sent) sent.remove();
    $("welcome")?.remove();
    separate(entry);
    log.insertBefore(entry, anchor());
    if (message.turn) (message.house ? end : begin)(message.turn);
    last = Math.max(last, message.seq);
  };
  const confirmSeen = () => {
    clearTimeout(seenTimer);
    seenTimer = setTimeout(() => { if (client !== null) post("/seen", { client, upto: last }).catch(() => {}); }, 150);
  };

  // === the stream; EventSource comes again by itself with the last id, but not after an error status ===
  const connect = () => {
    const source = new EventSource("/events?after=" + last);
    const on = (name, handle) => source.addEventListener(name, (event) => handle(JSON.parse(event.data)));
    on("hello", (hello) => {
      client = hello.client;
      wait = 1000;
      if (status.className === "lost") say("");
      document.body.dataset.stream = "open";
      confirmSeen();
    });
    on("message", (message) => { place(message); confirmSeen(); });
    on("delta", ({ turn, text }) => {
      begin(turn);
      if (streaming !== turn) { streaming = turn; stream.textContent = ""; }
      stream.append(text);
    });
    on("reset", ({ turn }) => { if (streaming === turn) stream.textContent = ""; });
    on("gone", () => { source.close(); loggedOut(); });
    source.onerror = () => {
      client = null;
      document.body.dataset.stream = "lost";
      say("Connection lost. Trying to reach the house again…", "lost");
      if (source.readyState !== EventSource.CLOSED) return;
      setTimeout(async () => {
        const me = await fetch("/me", { headers: { Accept: "application/json" } }).catch(() => null);
        if (me && me.status === 401) loggedOut(); else connect();
      }, wait);
      wait = Math.min(wait * 2, 30000);
    };
    addEventListener("pagehide", () => source.close(), { once: true });
  };
  const loggedOut = () => {
    say("You are not logged in any more. ", "error");
    status.append(Object.assign(document.createElement("a"), { href: "/", textContent: "Log in again" }));
    box.disabled = send.disabled = true;
  };

  // === saying something ===
  const transmit = async (entry, text) => {
    entry.className = "msg me said sending";
    entry.querySelector(".again")?.remove();
    try {
      const answer = await post("/say", { nonce: entry.dataset.sent, text });
      const body = await answer.json().catch(() => ({}));
      if (answer.ok) { say(""); begin(body.turn); return entry.classList.remove("sending"); }
      if (answer.status === 401) return loggedOut();
      if (answer.status === 400 || answer.status === 403 || answer.status === 413) { back(entry, text); return say(body.error || "The house refused this message.", "error"); }
      fail(entry, text, body.error || "The house could not take this message.");
    } catch {
      fail(entry, text, "The house could not be reached.");
    }
  };
  const back = (entry, text) => { entry.remove(); if (!box.value) { box.value = text; grow(); } };
  const fail = (entry, text, why) => {
    entry.className = "msg me said failed";
    say(why + " Your message was not sent.", "error");
    const again = Object.assign(document.createElement("button"), { type: "button", className: "again quiet", textContent: "Not sent. Try again" });
    again.onclick = () => transmit(entry, text);
    entry.append(again);
  };
  const submit = () => {
    const text = box.value;
    if (!text.trim()) return;
    const bytes = new TextEncoder().encode(text).length;
    if (bytes > limit) return say(`This message has ${bytes} bytes, more than the ${limit} that fit; send it in parts.`, "error");
    const entry = element('<li class="msg me said sending"><span class="sr">You: </span><div class="bubble"><p class="stream"></p></div></li>');
    entry.dataset.sent = newId();
    entry.querySelector("p").textContent = text;
    log.insertBefore(entry, working);
    box.value = "";
    grow();
    toEnd();
    transmit(entry, text);
  };

  // === the composer ===
  const grow = () => {
    box.style.height = "auto";
    box.style.height = Math.min(box.scrollHeight + 2, 240) + "px";
  };
  form.addEventListener("submit", (event) => { event.preventDefault(); submit(); });
  $("halt").addEventListener("submit", async (event) => {
    event.preventDefault();
    stop.disabled = true;
    const answer = await post("/stop", {}).catch(() => null);
    if (!answer || !answer.ok) say("The house could not be asked to stop. Try again.", "error");
    stop.disabled = false;
  });
  const touch = matchMedia("(pointer: coarse)");
  box.addEventListener("keydown", (event) => {
    // On a phone, Enter begins a line: there is no Shift+Enter, and the button is under the thumb.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || touch.matches) return;
    event.preventDefault();
    submit();
  });
  box.addEventListener("input", grow);
  $("welcome")?.addEventListener("click", (event) => {
    const example = event.target.closest(".example");
    if (!example) return;
    event.preventDefault();
    box.value = example.value;
    grow();
    box.focus();
  });
  grow();
  show();
  connect();
})();
