// The least that answers the same three requests on Express: factors in memory, and one synced line per attempt.
//
// It lacks API keys, tenants, expiry, locks, audit lines, a QR code and encryption: secrets are in memory in clear text,
// and are lost when it stops. Two processes of it would accept a code twice.
import express from "express";
import { generateSecret, verify } from "otplib";
import { randomUUID } from "node:crypto";
import { open } from "node:fs/promises";

const log = await open(process.argv[2], "a");
const [factors, challenges] = [new Map(), new Map()];
const app = express().use(express.json());

app.post("/auth/factors/enroll", (request, response) => {
  const id = randomUUID();
  const factor = { secret: generateSecret(), lastStep: 0 };
  factors.set(id, factor);
  response.status(201).json({ id, totp: { secret: factor.secret } });
});

app.post("/auth/factors/:id/challenge", (request, response) => {
  const id = randomUUID();
  challenges.set(id, { factor: factors.get(request.params.id), attempts: 0 });
  response.status(201).json({ id });
});

app.post("/auth/challenges/:id/verify", async (request, response) => {
  const challenge = challenges.get(request.params.id);
  const { factor } = challenge;
  const found = await verify({ secret: factor.secret, token: request.body.code, epochTolerance: 30 });
  const step = Math.floor(Date.now() / 30_000) + (found.valid ? found.delta : 0);
  const valid = found.valid && challenge.attempts++ < 5 && step > factor.lastStep;
  if (valid) factor.lastStep = step;
  await log.write(`${request.params.id} ${step} ${valid}\n`);
  await log.datasync();
  response.status(201).json({ valid });
});

const server = app.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
server.keepAliveTimeout = 120_000; // clients keep their connections while others sign up
