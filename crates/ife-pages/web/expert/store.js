// Verified blocks in IndexedDB, so that a reload continues where it was. Without IndexedDB they
// live as long as the page does.

const DATABASE = "if-escalate-evidence";
const VERSION = 1;
/** What an expert never came back for is removed when the next page is opened. */
const KEEP_MS = 12 * 60 * 60 * 1000;

const done = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

function open() {
  const request = indexedDB.open(DATABASE, VERSION);
  request.onupgradeneeded = () => {
    request.result.createObjectStore("blocks");
    request.result.createObjectStore("sessions");
  };
  return done(request);
}

/** The store of this browser, or one in memory that is marked so. */
export async function openStore(session, now) {
  try {
    const store = new Store(await open(), session);
    await store.touch(now);
    await store.removeOld(now);
    return store;
  } catch {
    // Private windows and full disks: the transfer works, a reload begins anew.
    return new MemoryStore();
  }
}

// Keys are [session, manifest, file, block number]: a range of them is a file, a session, or a
// manifest.
const range = (...prefix) => IDBKeyRange.bound(prefix, [...prefix, []]);

class Store {
  #database;
  #session;
  survivesReload = true;

  constructor(database, session) {
    this.#database = database;
    this.#session = session;
  }

  #in(store, mode = "readonly") {
    // relaxed: blocks lost by a power cut are fetched again, and verified again either way.
    return this.#database.transaction(store, mode, { durability: "relaxed" }).objectStore(store);
  }

  async touch(now) {
    await done(this.#in("sessions", "readwrite").put(now, this.#session));
  }

  async removeOld(now) {
    const sessions = this.#in("sessions");
    const [names, times] = await Promise.all([
      done(sessions.getAllKeys()),
      done(sessions.getAll()),
    ]);
    await Promise.all(
      names.filter((name, at) => now - times[at] > KEEP_MS).map((name) => this.#remove(name)),
    );
  }

  async #remove(session) {
    await done(this.#in("blocks", "readwrite").delete(range(session)));
    await done(this.#in("sessions", "readwrite").delete(session));
  }

  /** Keeps a block; resolves when it is kept. A Blob, so that memory holds none of it. */
  async put(manifest, file, number, bytes) {
    await done(
      this.#in("blocks", "readwrite").put(new Blob([bytes]), [
        this.#session,
        manifest,
        file,
        number,
      ]),
    );
  }

  /**
   * Calls `take(bytes)` for each stored block of a file in order, until one is missing or is not
   * taken.
   */
  async replay(manifest, file, take) {
    for (let number = 0; ; number += 1) {
      const blob = await done(this.#in("blocks").get([this.#session, manifest, file, number]));
      if (!blob || !(await take(new Uint8Array(await blob.arrayBuffer())))) return;
    }
  }

  /** The whole file, which the browser reads from its disk when it is used. */
  async whole(manifest, file, type) {
    return new Blob(await done(this.#in("blocks").getAll(range(this.#session, manifest, file))), {
      type,
    });
  }

  /** Removes everything of this session. */
  async forget() {
    await this.#remove(this.#session);
  }
}

class MemoryStore {
  #blocks = new Map();
  survivesReload = false;

  async put(manifest, file, number, bytes) {
    const blocks = this.#blocks.get(file) ?? [];
    blocks[number] = new Blob([bytes]);
    this.#blocks.set(file, blocks);
  }

  async replay() {}

  async whole(manifest, file, type) {
    return new Blob(this.#blocks.get(file) ?? [], { type });
  }

  async forget() {
    this.#blocks.clear();
  }
}
