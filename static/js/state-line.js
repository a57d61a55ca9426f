/** One line of facts about a session. */
import { strings } from "./strings.js";

/** @param {HTMLElement} line @param {any} session a SESSION of the protocol */
export function renderState(line, session) {
  const { output, latency_ms: latency } = session;
  const facts = [strings.states[session.state] ?? session.state];
  if (output.width) facts.push(`${output.width}×${output.height}`);
  if (output.fps !== null) facts.push(`${output.fps.toFixed(1)} fps`);
  if (latency.total) facts.push(`${latency.total.p50.toFixed(0)} ms in the server`);
  if (output.codecs.length) facts.push(output.codecs.join(", "));
  facts.push(session.viewers === 1 ? "1 viewer" : `${session.viewers} viewers`);
  line.textContent = facts.join(" · ");
}
