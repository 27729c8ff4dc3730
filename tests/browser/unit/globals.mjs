// What a browser has and Debian 12's node only has as a module.
import { webcrypto } from "node:crypto";

globalThis.crypto ??= webcrypto;
