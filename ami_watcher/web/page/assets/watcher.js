// Keeps the page true: listens to changes, reads the page anew, and changes only what is different, so that focus,
// selection and opened details stay where they are. When nothing is heard, it says so and tries again.

const QUIET_MS = 25_000;      // the daemon gives a sign of life every 10 s
const READ_EVERY_MS = 30_000; // the strips move on, even when nothing happens
const SETTLE_MS = 150;        // changes come in bursts
const CLOSEST_MS = 700;       // however many phones come and go
const LONGEST_PAUSE_MS = 10_000;

const live = document.getElementById("live");
const pulse = document.getElementById("pulse");
const news = document.getElementById("news");

let heard = Date.now();
let source = null;
let pause = 500;
let reading = null;
let wanted = false;
let said = document.getElementById("sentence").textContent;
// Asked of the server's clock: a reader's own clock may be wrong.
let skew = 0;

const lasted = (seconds) => {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 120) return `${s} s`;
  if (s < 7200) return `${Math.floor(s / 60)} min`;
  if (s < 172800) {
    const minutes = Math.floor(s / 60) % 60;
    return `${Math.floor(s / 3600)} h` + (minutes ? ` ${minutes} min` : "");
  }
  return `${Math.floor(s / 86400)} days`;
};

const put = (node, text) => { if (node.textContent !== text) node.textContent = text; };

function tick() {
  const now = Date.now() / 1000 + skew;
  for (const time of document.querySelectorAll("time")) {
    const at = Number(time.dataset.ago || time.dataset.until || time.dataset.clock);
    const local = new Date(at * 1000);
    if (time.dataset.ago) put(time, lasted(now - at));
    else if (time.dataset.until) put(time, at > now ? `in ${lasted(at - now)}` : `${lasted(now - at)} ago`);
    else if (now - at > 72000) put(time, local.toLocaleString([], { weekday: "short", hour: "2-digit", minute: "2-digit", hour12: false }));
    else put(time, local.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false }));
    const title = local.toLocaleString();
    if (time.title !== title) time.title = title;
  }
  if (source && source.readyState === EventSource.OPEN && Date.now() - heard > QUIET_MS) connect();
}

// Makes `old` like `fresh`, keeping every node that can be kept. Children are matched by id, others by place.
function morph(old, fresh) {
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && name !== "open" && name !== "title") old.removeAttribute(name);
  }
  for (const { name, value } of [...fresh.attributes]) {
    if (old.getAttribute(name) !== value && !(old.nodeName === "INPUT" && name === "value")) old.setAttribute(name, value);
  }
  const kept = new Map([...old.children].filter((child) => child.id).map((child) => [child.id, child]));
  let place = old.firstChild;
  for (const next of [...fresh.childNodes]) {
    let match = next.id ? kept.get(next.id) : place;
    if (match && !next.id && match.id) match = null;
    if (match && match.nodeName === next.nodeName) {
      if (match !== place) old.insertBefore(match, place);
      else place = place.nextSibling;
      if (match.nodeType === Node.ELEMENT_NODE) morph(match, next);
      else if (match.nodeValue !== next.nodeValue) match.nodeValue = next.nodeValue;
    } else {
      old.insertBefore(document.importNode(next, true), place);
    }
  }
  while (place) {
    const rest = place.nextSibling;
    place.remove();
    place = rest;
  }
}

async function read() {
  if (reading) { wanted = true; return; }
  reading = (async () => {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
    if (answer.redirected && new URL(answer.url).pathname === "/login") { location.assign("/login"); return; }
    if (!answer.ok) throw new Error(String(answer.status));
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const served = Date.parse(answer.headers.get("date") || "");
    if (served && Math.abs(served - Date.now()) > 5000) skew = (served - Date.now()) / 1000;
    morph(live, fresh.getElementById("live"));
    document.title = fresh.title;
    const icon = fresh.getElementById("icon").getAttribute("href");
    const shown = document.getElementById("icon");
    if (shown.getAttribute("href") !== icon) shown.setAttribute("href", icon);
    const sentence = document.getElementById("sentence").textContent;
    if (sentence !== said) put(news, said = sentence);
    tick();
  })();
  try { await reading; } catch { lost(); } finally { reading = null; }
  if (wanted) { wanted = false; soon(); }
}

let timer = 0;
let last = 0;
function soon() {
  if (timer) return;
  timer = setTimeout(() => { timer = 0; last = Date.now(); read(); }, Math.max(SETTLE_MS, last + CLOSEST_MS - Date.now()));
}

function found() {
  heard = Date.now();
  pause = 500;
  if (pulse.dataset.state !== "live") {
    if (pulse.dataset.state === "lost") put(news, "Connected again.");
    pulse.dataset.state = "live";
    put(pulse, "Live: changes appear by themselves.");
    document.documentElement.classList.remove("stale");
  }
}

function lost() {
  if (pulse.dataset.state === "lost") return;
  pulse.dataset.state = "lost";
  const words = "The watcher does not answer. What is shown may be old; trying again.";
  put(pulse, words);
  put(news, words);
  document.documentElement.classList.add("stale");
}

function connect() {
  if (source) source.close();
  source = new EventSource("/api/events");
  heard = Date.now();
  source.onopen = () => { found(); soon(); };
  source.onerror = () => {
    // A browser gives up for ever after some answers, such as 503; we do not.
    source.close();
    lost();
    setTimeout(connect, pause);
    pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
  };
  for (const name of ["snapshot", "registration", "link", "role", "kick", "contact", "contacts"]) {
    source.addEventListener(name, () => { found(); soon(); });
  }
  source.addEventListener("beat", found);
}

// Typing filters at once, and the address holds the filter, so that it can be kept.
const filter = document.getElementById("filter");
filter.addEventListener("submit", (event) => event.preventDefault());
filter.addEventListener("input", () => {
  const address = new URL(location.href);
  const text = document.getElementById("q").value;
  if (text) address.searchParams.set("q", text); else address.searchParams.delete("q");
  history.replaceState(null, "", address);
  soon();
});

document.addEventListener("visibilitychange", () => { if (!document.hidden) soon(); });
setInterval(tick, 1000);
setInterval(() => { if (!document.hidden) soon(); }, READ_EVERY_MS);
tick();
connect();
