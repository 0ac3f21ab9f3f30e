// The studio's routes, as docs/studio.md has them; the page uses nothing else.

let token = "";

export const address = (path, query = {}) => `${path}?${new URLSearchParams({ ...query, session: token })}`;

async function ask(path, query = {}, options = {}) {
  const answer = await fetch(address(path, query), options).catch(() => {
    throw new Error("The studio does not answer: start it again with `retimbre studio`, then load this page anew.");
  });
  if (answer.ok) return answer;
  throw new Error((await answer.json().catch(() => ({}))).error ?? `The studio answers ${answer.status} to ${path}.`);
}
async function post(path, body = {}, query = {}) {
  const given = body instanceof Blob ? body : new Blob([JSON.stringify(body)], { type: "application/json" });
  return (await ask(path, query, { method: "POST", body: given })).json();
}

export const getSettings = async () => (await ask("/settings")).json();
export async function openSession(onTransfer, onEnd) {
  token = (await post("/sessions")).session;
  addEventListener("pagehide", () => navigator.sendBeacon(address("/sessions/end")));
  addEventListener("pageshow", (event) => event.persisted && location.reload());
  const events = new EventSource(address("/events"));
  events.addEventListener("transfer", ({ data }) => onTransfer(JSON.parse(data)));
  events.addEventListener("bye", () => onEnd(events.close()));
  events.onerror = () => events.readyState === EventSource.CLOSED && onEnd();
}
export const sendClip = (name, file) => post("/clips", file, { name });
export const takeExample = (name) => post("/clips/example", {}, { name });
export const prepare = (wanted) => post("/prepare", wanted);
export const begin = (wanted) => post("/transfers", wanted);
export const stop = (id) => post(`/transfers/${id}/stop`);
export const askStrength = (id, strength) => post(`/transfers/${id}/strength`, { strength });
export const sound = async (path, query) => (await ask(path, query)).arrayBuffer();

export async function picture(path, query) {
  const answer = await ask(path, query);
  const names = ["Bins", "Frames", "Lowest-Midi", "Bins-Per-Octave", "Seconds"];
  const [bins, frames, lowest, perOctave, seconds] = names.map((name) => +answer.headers.get(`Retimbre-${name}`));
  return { bins, frames, lowest, perOctave, seconds, levels: new Uint8Array(await answer.arrayBuffer()) };
}
