import "./globals.mjs";
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

const { Messages, TEXT_LEN_MAX, textOf } =
  await import("../../../crates/ife-pages/web/expert/messages.js");

let said;
const fresh = () => new Messages("session", { say: (body) => said.push(body), changed: () => {} });
const fromAgent = (id, text) => ({ type: "agent.message", id, message: { text } });

beforeEach(() => {
  const kept = new Map();
  globalThis.sessionStorage = {
    getItem: (name) => kept.get(name) ?? null,
    setItem: (name, text) => kept.set(name, text),
    removeItem: (name) => kept.delete(name),
  };
  said = [];
});

test("a message is text, whatever it has", () => {
  assert.equal(textOf({ text: "<b>a</b>" }), "<b>a</b>");
  assert.equal(textOf({ payload: { text: "b" } }), "b");
  assert.equal(textOf({ payload: { content: "c" } }), "c");
  assert.equal(textOf({ text: 7 }), '{\n  "text": 7\n}');
});

test("an agent's message is there once, and said to be shown when it is seen", () => {
  const messages = fresh();
  messages.setLive(true);
  assert.ok(messages.handle(fromAgent("1-1", "a")));
  messages.handle(fromAgent("1-1", "a"));
  assert.deepEqual([messages.items.length, messages.unread, said], [1, 1, []]);
  messages.seen(messages.items[0]);
  messages.seen(messages.items[0]);
  assert.deepEqual(said, [{ type: "agent.shown", id: "1-1" }]);
  // The bridge did not hear it.
  messages.handle(fromAgent("1-1", "a"));
  assert.equal(said.length, 2);
});

test("what the expert writes waits for the connection, and goes out in order", () => {
  const messages = fresh();
  assert.ok(messages.write(" a ") && messages.write("b"));
  assert.deepEqual(said, []);
  messages.setLive(true);
  assert.deepEqual(said.map(({ message }) => message.text), ["a", "b"]);
  const [first, second] = messages.items;
  assert.ok(messages.handle({ type: "agent.taken", id: first.id }));
  messages.handle({ type: "agent.refused", id: second.id, text: "too fast" });
  assert.deepEqual(messages.items.map(({ state }) => state), ["taken", "refused"]);
  messages.setLive(false);
  messages.setLive(true);
  assert.equal(said.length, 2);
  messages.again(second.id);
  assert.equal(said.length, 3);
  assert.notEqual(said[2].id, second.id);
});

test("a reload keeps the messages", () => {
  const messages = fresh();
  messages.handle(fromAgent("1-1", "a"));
  messages.write("b");
  assert.deepEqual(fresh().items, messages.items);
  messages.forget();
  assert.deepEqual(fresh().items, []);
  sessionStorage.setItem(
    "if-escalate-messages-session",
    '[{"text": 1}, {"text": "a", "state": "odd"}]',
  );
  assert.deepEqual(fresh().items, []);
});

test("bounds, and what is not for it", () => {
  const messages = fresh();
  assert.ok(!messages.write("  ") && !messages.write("x".repeat(TEXT_LEN_MAX + 1)));
  assert.ok(!messages.handle({ type: "evidence.state" }));
  for (let n = 0; n < 500; n += 1) messages.handle(fromAgent(`1-${n}`, `${n}`));
  assert.deepEqual([messages.items.length, messages.items.at(-1).text], [400, "499"]);
});
