// Council rooms and who is in them.

import { ask } from "./api.js";
import { confirm, h, mark, refill, say } from "./dom.js";
import { counted } from "./words.js";

/** Draws into `root` what `update` is given. */
export function roomsView(root) {
  const list = h("div", { class: "cards" });
  root.replaceChildren(h("h2", { id: "rooms-title" }, "Rooms"), list);
  root.setAttribute("aria-labelledby", "rooms-title");
  return {
    update: (rooms) =>
      refill(
        list,
        rooms.length > 0
          ? rooms.map(room)
          : h("p", { class: "empty" }, "No room is open. One opens when a call's expert accepts."),
      ),
    close() {},
  };
}

function room(view) {
  const people = view.participants.map((person) => participant(view, person));
  return h("article", { class: "card room" }, [
    h("header", {}, [
      h("h3", {}, view.call_id),
      h(
        "span",
        { class: "quiet" },
        `${view.participant_count} of ${view.max_participants} · ${view.backend}`,
      ),
    ]),
    people.length > 0
      ? h("ul", { class: "people" }, people)
      : h("p", { class: "quiet" }, "Nobody is in it."),
  ]);
}

function participant(view, person) {
  const key = `${view.call_id}/${person.id}`;
  return h("li", {}, [
    h("span", { class: `state ${person.muted ? "warn" : "good"}` }, [
      mark(person.muted ? "dash" : "full", person.muted ? "warn" : "good"),
      person.muted ? "muted" : "heard",
    ]),
    h("span", { class: "who" }, [person.name, h("span", { class: "quiet" }, ` ${person.role}`)]),
    h("span", { class: "buttons" }, [
      h(
        "button",
        {
          type: "button",
          class: "small",
          "data-key": `mute-${key}`,
          onclick: () => mute(view, person),
          "aria-label": `${person.muted ? "Unmute" : "Mute"} ${person.name}`,
        },
        person.muted ? "Unmute" : "Mute",
      ),
      h(
        "button",
        {
          type: "button",
          class: "small bad",
          "data-key": `remove-${key}`,
          onclick: () => remove(view, person),
          "aria-label": `Remove ${person.name}`,
        },
        "Remove",
      ),
    ]),
  ]);
}

const place = (view, person) =>
  `/v1/rooms/${encodeURIComponent(view.call_id)}/participants/${encodeURIComponent(person.id)}`;

async function mute(view, person) {
  const muted = !person.muted;
  const text = muted
    ? `${person.name} stays in ${view.call_id} and hears everybody, but is heard by nobody.`
    : `${person.name} is heard by everybody in ${view.call_id} again.`;
  if (
    !(await confirm(
      `${muted ? "Mute" : "Unmute"} ${person.name}?`,
      text,
      muted ? "Mute" : "Unmute",
    ))
  ) {
    return;
  }
  await tried(`${person.name} is ${muted ? "muted" : "heard again"}`, () =>
    ask(`${place(view, person)}/mute`, { method: "PUT", body: { muted } }),
  );
}

async function remove(view, person) {
  if (
    !(await confirm(
      `Remove ${person.name}?`,
      `${person.name}'s leg is hung up. The others in ${view.call_id} stay.`,
      "Remove",
    ))
  ) {
    return;
  }
  await tried(`${person.name} was removed`, () => ask(place(view, person), { method: "DELETE" }));
}

async function tried(done, act) {
  try {
    await act();
    say(done);
    document.dispatchEvent(new CustomEvent("stale"));
  } catch (error) {
    say(error.message);
    document.dispatchEvent(new CustomEvent("trouble", { detail: error.message }));
  }
}
