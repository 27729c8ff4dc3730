// Firefox by its own remote protocol, Marionette: a fresh profile, a page, its text. Playwright
// drives only Firefoxes that it has changed.

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

import { until } from "./lib.mjs";

const FIREFOX = process.env.FIREFOX ?? "/usr/bin/firefox-esr";
const PREFS = {
  "marionette.port": 0,
  "browser.shell.checkDefaultBrowser": false,
  "datareporting.policy.dataSubmissionEnabled": false,
  "app.update.enabled": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
};

/** Messages are `<length>:<JSON>`, an answer is `[1, id, error, result]`. */
class Marionette {
  #socket;
  #waiting = new Map();
  #rest = Buffer.alloc(0);
  #id = 0;

  constructor(port) {
    this.#socket = connect(port, "127.0.0.1");
    this.#socket.on("data", (data) => this.#take(data));
  }

  #take(data) {
    this.#rest = Buffer.concat([this.#rest, data]);
    for (;;) {
      const colon = this.#rest.indexOf(":");
      const end = colon + 1 + Number(this.#rest.subarray(0, Math.max(0, colon)));
      if (colon < 0 || this.#rest.length < end) return;
      const message = JSON.parse(this.#rest.subarray(colon + 1, end));
      this.#rest = this.#rest.subarray(end);
      if (Array.isArray(message)) this.#answer(message);
    }
  }

  #answer([, id, error, result]) {
    const { resolve, reject } = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error) reject(new Error(error.message));
    else resolve(result);
  }

  ask(command, parameters = {}) {
    const id = (this.#id += 1);
    const text = JSON.stringify([0, id, command, parameters]);
    this.#socket.write(`${Buffer.byteLength(text)}:${text}`);
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  close() {
    this.#socket.destroy();
  }
}

/** A Firefox with a profile of its own. */
export async function openFirefox() {
  const profile = mkdtempSync(path.join(tmpdir(), "ife-firefox-"));
  const lines = Object.entries(PREFS).map(
    ([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`,
  );
  writeFileSync(path.join(profile, "user.js"), lines.join(""));
  const program = spawn(
    FIREFOX,
    ["--headless", "--marionette", "--no-remote", "--profile", profile],
    { stdio: "ignore", env: { ...process.env, HOME: profile, MOZ_DISABLE_CONTENT_SANDBOX: "1" } },
  );
  const ended = new Promise((resolve) => {
    program.on("exit", resolve);
    program.on("error", resolve);
  });
  let port;
  await until("Firefox is there", async () => {
    try {
      port = Number(readFileSync(path.join(profile, "MarionetteActivePort"), "utf8"));
    } catch {
      return false;
    }
    return port > 0;
  });
  const marionette = new Marionette(port);
  await marionette.ask("WebDriver:NewSession");
  const evaluate = async (script, args = []) =>
    (await marionette.ask("WebDriver:ExecuteScript", { script, args })).value;
  return {
    goto: (url) => marionette.ask("WebDriver:Navigate", { url }),
    evaluate,
    /** The text of an element that is shown; empty for one that is hidden. */
    text: (selector) =>
      evaluate(
        "const [it] = document.querySelectorAll(arguments[0]); " +
          "return it && it.checkVisibility() ? it.innerText : '';",
        [selector],
      ),
    screenshot: async () =>
      Buffer.from(
        (await marionette.ask("WebDriver:TakeScreenshot", { full: true })).value,
        "base64",
      ),
    close: async () => {
      marionette.close();
      program.kill("SIGKILL");
      await ended;
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
