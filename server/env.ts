/** @file Every setting that comes from the environment, typed and checked at start; .env.example explains them. */
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { z } from "zod";

/** `NAME=` in a settings file means: not set. */
const unsetWhenEmpty = (value: unknown) => (value === "" ? undefined : value);
const optional = <T extends z.ZodType>(schema: T) => z.preprocess(unsetWhenEmpty, schema.optional());
const integer = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d+$/, `must be a whole number from ${min} to ${max}`)
    .transform(Number)
    .refine((value) => value >= min && value <= max, `must be a whole number from ${min} to ${max}`);
const withDefault = <T extends z.ZodType<unknown, string>>(schema: T, fallback: string) =>
  z.preprocess((value) => unsetWhenEmpty(value) ?? fallback, schema);
const httpUrl = z.url({ protocol: /^https?$/, message: "must be an address like https://chat.example.org" });
const yesOrNo = z.enum(["0", "1"], "must be 0 or 1").transform((value) => value === "1");

const smtpUrl = z.url({
  protocol: /^smtps?$/,
  message: "must look like smtp://user:password@mail.example.org:587 or smtps://…",
});
const sender = z
  .string()
  .regex(
    /^([^<>\r\n]*<[^\s<>@]+@[^\s<>@]+>|[^\s<>@]+@[^\s<>@]+)$/,
    "must look like attune@example.org or Attune <attune@example.org>",
  );

/** "10.0.0.0/8, ::1" → what net.BlockList takes. */
const addressRanges = z.string().transform((list, context) =>
  list
    .split(",")
    .map((part) => part.trim())
    .filter(Boolean)
    .map((part) => {
      const [address = "", prefix] = part.split("/");
      const version = net.isIP(address);
      const bits = prefix === undefined ? (version === 6 ? 128 : 32) : Number(prefix);
      if (version === 0 || !Number.isInteger(bits) || bits < 0 || bits > (version === 6 ? 128 : 32)) {
        context.addIssue(`"${part}" is no IP address or range like 10.0.0.0/8`);
      }
      return { address, bits, family: version === 6 ? ("ipv6" as const) : ("ipv4" as const) };
    }),
);

const settings = z.object({
  /** Port the web process listens on; 0 = any free one. */
  PORT: withDefault(integer(0, 65_535), "3000"),
  /** Address it binds to. Anything but loopback is reachable from other machines. */
  HOST: withDefault(z.string(), "127.0.0.1"),
  /** The address people type, where a proxy stands in front: https://chat.example.org. No path. */
  ATTUNE_URL: optional(httpUrl.refine((url) => new URL(url).pathname === "/", "must have no path")),
  /** Proxies whose forwarded headers are believed: addresses and ranges, by comma. None by default. */
  ATTUNE_TRUSTED_PROXIES: withDefault(addressRanges, ""),
  /** Folder that holds everything: database, models, secrets, backups. Absolute after loading. */
  ATTUNE_DATA: withDefault(z.string(), "data").transform((folder) => path.resolve(folder)),
  /** A PostgreSQL 15 or newer; without it the embedded database in ATTUNE_DATA is used. */
  DATABASE_URL: optional(
    z.url({ protocol: /^postgres(ql)?$/, message: "must look like postgres://user:password@host/database" }),
  ),
  /** Checkpoint or Hugging Face folder, GGUF file, or hub id. */
  ATTUNE_MODEL: optional(z.string()),
  ATTUNE_PRECISION: withDefault(z.enum(["fp32", "int8", "int4"]), "int8"),
  /** Threads of the engine; left out: see `defaultThreads`. */
  ATTUNE_THREADS: optional(integer(1, 1024)),
  /** Conversations that generate at once. */
  ATTUNE_SLOTS: withDefault(integer(1, 256), "8"),
  /** A worker that is silent for this long has lost its run. */
  ATTUNE_LEASE_SECONDS: withDefault(integer(1, 3_600), "60"),
  /** off: this machine trains nothing itself; workers elsewhere may. */
  ATTUNE_TRAINER: withDefault(z.enum(["on", "off"]), "on"),
  /** Threads of runs that this machine's trainer claims first; left out: see `defaultTrainerThreads`. */
  ATTUNE_TRAINER_THREADS: optional(integer(1, 64)),
  /** A mail server: admins may have notifications sent. Without it Attune sends no mail. */
  ATTUNE_SMTP_URL: optional(smtpUrl),
  /** Whom mails are from. */
  ATTUNE_MAIL_FROM: optional(sender),
  /** A judge model elsewhere, for evaluations: an OpenAI-compatible endpoint such as https://host/v1, its model, its key. */
  ATTUNE_JUDGE_URL: optional(httpUrl),
  ATTUNE_JUDGE_MODEL: optional(z.string().max(200)),
  ATTUNE_JUDGE_KEY: optional(z.string()),
  /** A mirror of the model hub. */
  HF_ENDPOINT: optional(httpUrl),
  HF_TOKEN: optional(z.string()),
  LOG_LEVEL: withDefault(z.enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"]), "info"),
  /** Hours between backups into ATTUNE_DATA/backups; 0 = none. */
  ATTUNE_BACKUP_HOURS: withDefault(integer(0, 8_760), "24"),
  /** How many scheduled backups are kept. */
  ATTUNE_BACKUP_KEEP: withDefault(integer(1, 1_000), "7"),
  /** 1 = pages are compiled on request, for work on Attune itself. */
  ATTUNE_DEV: withDefault(yesOrNo, "0"),
});

const environment = settings
  .refine(
    ({ ATTUNE_SMTP_URL, ATTUNE_MAIL_FROM }) =>
      ATTUNE_SMTP_URL === undefined || ATTUNE_MAIL_FROM !== undefined,
    { path: ["ATTUNE_MAIL_FROM"], message: "must say whom mails are from, where ATTUNE_SMTP_URL is set" },
  )
  .refine(
    ({ ATTUNE_JUDGE_URL, ATTUNE_JUDGE_MODEL }) =>
      (ATTUNE_JUDGE_URL === undefined) === (ATTUNE_JUDGE_MODEL === undefined),
    { path: ["ATTUNE_JUDGE_MODEL"], message: "must be set together with ATTUNE_JUDGE_URL" },
  );

export type Env = z.infer<typeof environment>;
export type AddressRange = Env["ATTUNE_TRUSTED_PROXIES"][number];

/** The environment does not fit; the message has one line per variable. */
export class EnvironmentError extends Error {
  override readonly name = "EnvironmentError";
}

/** @throws {EnvironmentError} naming each variable that is wrong and what it must be; values are not repeated. */
export function loadEnv(source: Record<string, string | undefined> = process.env): Env {
  const parsed = environment.safeParse(source);
  if (parsed.success) return parsed.data;
  const lines = parsed.error.issues.map((issue) => `  ${issue.path.join(".")}: ${issue.message}`);
  throw new EnvironmentError(
    `The settings do not fit (environment or .env; .env.example explains them):\n${lines.join("\n")}`,
  );
}

let loaded: Env | undefined;

/** The environment of this process, read once. */
export function processEnv(): Env {
  loaded ??= loadEnv();
  return loaded;
}

/** Threads the engine gets when ATTUNE_THREADS is not set: the cores this process may use. */
export function defaultThreads(): number {
  return Math.max(1, os.availableParallelism());
}

/** Half of the cores, so that chat keeps the rest; more than eight only make rounding differ between machines. */
export function defaultTrainerThreads(): number {
  return Math.min(8, Math.max(1, Math.floor(os.availableParallelism() / 2)));
}

/** The address to print and to build links with; `port` is the one really bound, where PORT is 0. */
export function publicUrl(env: Pick<Env, "ATTUNE_URL" | "HOST" | "PORT">, port = env.PORT): string {
  if (env.ATTUNE_URL) return new URL(env.ATTUNE_URL).origin;
  const isAnyAddress = env.HOST === "0.0.0.0" || env.HOST === "::";
  const host = isAnyAddress ? "localhost" : net.isIPv6(env.HOST) ? `[${env.HOST}]` : env.HOST;
  return `http://${host}:${port}`;
}

/** Reads `.env` beside package.json, if there is one; what the environment already says wins. */
export function loadSettingsFile(root: string): void {
  const file = path.join(root, ".env");
  if (fs.existsSync(file)) process.loadEnvFile(file);
}
