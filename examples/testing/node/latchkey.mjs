// A Latchkey server for tests. Copy this file into your tests; docs/TESTING.md explains it.

import { spawn } from "node:child_process";
import { mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";

/** Starts a server that keeps everything in memory. It ends with this process, also if a test fails. */
export async function startLatchkey() {
  const folder = mkdtempSync(join(tmpdir(), "latchkey-"));
  const [readyFile, log] = [join(folder, "ready.json"), join(folder, "log")];
  const binary = process.env.LATCHKEY_BIN ?? "latchkey";
  const options = ["serve", "--in-memory", "--port", "0", "--ready-file", readyFile];
  const server = spawn(binary, options, { stdio: ["ignore", "ignore", openSync(log, "w")] });
  server.unref(); // So that this process ends after its tests.
  let ended;
  server.on("error", (error) => (ended = error.message));
  server.on("exit", (status) => (ended = `status ${status}`));
  process.on("exit", () => {
    server.kill("SIGKILL"); // It keeps nothing.
    rmSync(folder, { recursive: true });
  });

  let ready;
  for (const deadline = Date.now() + 30_000; !ready; await setTimeout(20)) {
    if (ended || Date.now() > deadline) {
      throw new Error(`latchkey did not start: ${ended ?? "timeout"} ${readFileSync(log, "utf8")}`);
    }
    ready = await readFile(readyFile, "utf8").catch(() => undefined);
  }
  const { url, api_key: apiKey } = JSON.parse(ready);

  /** Calls a route under /_dev. A body makes it a POST. */
  async function dev(path, body) {
    const post = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
    const answer = await fetch(`${url}/_dev/${path}`, body && post);
    if (!answer.ok) throw new Error(`/_dev/${path}: ${answer.status}`);
    return answer.status === 204 ? undefined : answer.json();
  }
  let phones = 100;
  return {
    url: new URL(url),
    apiKey,
    dev,
    newPhone: () => `+1202555${String(phones++).padStart(4, "0")}`,
    messagesTo: async (phone) => (await dev("sms")).filter(({ to }) => to === phone).map(({ message }) => message),
    advance: (seconds) => dev("clock", { advance_seconds: seconds }),
    now: async () => new Date((await dev("clock")).now),
  };
}
