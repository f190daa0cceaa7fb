/** @file One command on the database: asked of the running server, which alone may open it, or done here where none runs. */
import type { z } from "zod";
import { readServerFile } from "@/server/boot/server-file";
import { openDatabase } from "@/server/db/open-database";
import { prepareDatabase } from "@/server/db/prepare-database";
import { type controlCommand, readControlCommand, runControlCommand } from "@/server/domain/control";
import { type Env, loadEnv } from "@/server/env";
import { CommandFailure } from "./failure";

type Command = z.input<typeof controlCommand>;

/**
 * @param result what the command answers, as JSON carries it
 * @throws {CommandFailure} with the server's refusal; what the domain throws; DataFolderLockedError
 */
export async function control<T>(command: Command, result: z.ZodType<T>): Promise<T> {
  const env = loadEnv();
  const answer = (await askServer(env, command)) ?? (await runHere(env, command));
  return result.parse(JSON.parse(JSON.stringify(answer)));
}

/** Null when no server answers: a killed one leaves its file behind. */
async function askServer(env: Env, command: Command): Promise<object | null> {
  const server = readServerFile(env.ATTUNE_DATA);
  if (!server) return null;
  const response = await fetch(`${server.url}/api/control`, {
    method: "POST",
    headers: { authorization: `Bearer ${server.token}`, "content-type": "application/json" },
    body: JSON.stringify(command),
  }).catch(() => null);
  if (!response) return null;
  const answer = (await response.json()) as { error?: string };
  if (!response.ok) throw new CommandFailure(answer.error ?? `The server answered ${response.status}.`);
  return answer;
}

async function runHere(env: Env, command: Command): Promise<object> {
  await using opened = await openDatabase({
    dataFolder: env.ATTUNE_DATA,
    databaseUrl: env.DATABASE_URL,
    purpose: `attune ${command.command}`,
  });
  await prepareDatabase(opened, env.ATTUNE_DATA);
  return await runControlCommand({ db: opened.db, env, chat: null }, readControlCommand(command));
}
