/** @file The settings an admin changes while Attune runs: each with its type and its default, every change recorded. */
import { eq, sql } from "drizzle-orm";
import { z } from "zod";
import { settings } from "@/drizzle/schema";
import type { Db } from "../db/db";
import { log } from "../log";
import { appendAudit } from "./audit";
import { samplingOverridesSchema } from "./sampling";

export const signUpPolicies = ["open", "invite", "closed"] as const;
export type SignUpPolicy = (typeof signUpPolicies)[number];

const maxSystemPromptCharacters = 20_000;

/** Key → what it may hold. A setting nobody changed has the value of `defaultSettings`. */
const registry = {
  /** Shown in titles and on the sign-in page. */
  instanceName: z.string().trim().min(1, "A name has at least one character.").max(60),
  /** `open`: anyone who reaches the page · `invite`: who has a link from an admin · `closed`: nobody new. */
  signUp: z.enum(signUpPolicies),
  /** Conversations untouched for this many days are deleted; null = kept until their owner deletes them. */
  retentionDays: z.int().min(1).max(3650).nullable(),
  /** What the policy is told before every conversation that has no system prompt of its own. */
  defaultSystemPrompt: z
    .string()
    .max(maxSystemPromptCharacters, "A system prompt may hold 20,000 characters."),
  /** Defaults under which people's own sampling settings go. */
  defaultSampling: samplingOverridesSchema,
};

export const settingsSchema = z.object(registry);
export type Settings = z.infer<typeof settingsSchema>;
export type SettingKey = keyof Settings;

export const defaultSettings: Settings = {
  instanceName: "Attune",
  signUp: "invite",
  retentionDays: null,
  defaultSystemPrompt: "",
  defaultSampling: {},
};

/** Settings whose value may stand in the audit log; of the others only that they changed. */
const recordedValues = new Set<string>(["instanceName", "signUp", "retentionDays"]);

/** All settings, defaults filled in. A stored value that no longer fits falls back to the default, with a warning. */
export async function readSettings(db: Db): Promise<Settings> {
  const rows = await db.select({ key: settings.key, value: settings.value }).from(settings);
  const stored: Record<string, unknown> = {};
  for (const { key, value } of rows) {
    if (!isKey(key)) continue;
    const parsed = registry[key].safeParse(value);
    if (parsed.success) stored[key] = parsed.data;
    else log.warn({ setting: key }, "a stored setting does not fit and is ignored");
  }
  return settingsSchema.parse({ ...defaultSettings, ...stored });
}

export async function readSetting<K extends SettingKey>(db: Db, key: K): Promise<Settings[K]> {
  return (await readSettings(db))[key];
}

/** Changes what is given, and records each change. @returns all settings afterwards */
export async function changeSettings(
  db: Db,
  { actorId, change }: { actorId: string | null; change: Partial<Settings> },
): Promise<Settings> {
  return db.transaction(async (tx) => {
    const before = await readSettings(tx);
    const changed = Object.entries(change).filter(
      ([key, value]) =>
        isKey(key) && value !== undefined && JSON.stringify(before[key]) !== JSON.stringify(value),
    );
    for (const [key, value] of changed) {
      // JSON null would be taken for SQL null, which the column refuses.
      const json = sql`${JSON.stringify(value)}::jsonb`;
      await tx
        .insert(settings)
        .values({ key, value: json })
        .onConflictDoUpdate({ target: settings.key, set: { value: json, updatedAt: new Date() } });
    }
    // After all rows are written: the audit log's lock comes last, or two admins could wait for each other.
    for (const [key, value] of changed) {
      await appendAudit(tx, {
        actorId,
        action: "setting.changed",
        subject: key,
        details: recordedValues.has(key) && isKey(key) ? { from: plain(before[key]), to: plain(value) } : {},
      });
    }
    return readSettings(tx);
  });
}

/** Back to the default. */
export async function resetSetting(
  db: Db,
  { actorId, key }: { actorId: string | null; key: SettingKey },
): Promise<Settings> {
  return db.transaction(async (tx) => {
    const removed = await tx.delete(settings).where(eq(settings.key, key)).returning({ key: settings.key });
    if (removed.length > 0) {
      await appendAudit(tx, { actorId, action: "setting.changed", subject: key, details: { to: "default" } });
    }
    return readSettings(tx);
  });
}

function isKey(key: string): key is SettingKey {
  return Object.hasOwn(registry, key);
}

function plain(value: unknown): string | number | null {
  return typeof value === "string" || typeof value === "number" ? value : null;
}
