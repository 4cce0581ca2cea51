// better-auth with its two-factor plugin, on SQLite with a synced write per transaction.
//
// A login there starts with a password. Its hash would cost more than everything else together, so this one is free:
// what is left is the session, the second factor and their writes.
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { toNodeHandler } from "better-auth/node";
import { twoFactor } from "better-auth/plugins";
import Database from "better-sqlite3";
import { createServer } from "node:http";

const database = new Database(process.argv[2]);
database.pragma("journal_mode = WAL");
database.pragma("synchronous = FULL");
const options = {
  database,
  baseURL: "http://127.0.0.1",
  secret: "a secret that protects nothing but a benchmark",
  emailAndPassword: {
    enabled: true,
    password: { hash: async (password) => password, verify: async ({ hash, password }) => hash === password },
  },
  plugins: [twoFactor({ issuer: "Foo Corp" })],
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
};
await (await getMigrations(options)).runMigrations();
const server = createServer(toNodeHandler(betterAuth(options)));
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
server.keepAliveTimeout = 120_000; // clients keep their connections while others sign up
