/** @file Migrating: all or nothing, dump first, never backwards. */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { sql } from "drizzle-orm";
import { expect, it, onTestFinished } from "vitest";
import { promotions, users } from "@/drizzle/schema";
import { loadDatabase } from "@/server/db/logical-dump";
import { migrateDatabase, readApplied, readMigrations } from "@/server/db/migrate-database";
import { prepareDatabase } from "@/server/db/prepare-database";
import { describeEachDatabase, emptyDatabase } from "../../helpers/test-database";

const migrations = readMigrations();
const close = async () => {};

describeEachDatabase("migrations", (home) => {
  it("refuses a database of a newer program, naming both versions", async () => {
    await using t = await emptyDatabase(home);
    await migrateDatabase(t.db);
    await t.db.execute(
      sql`insert into public.migrations (name, hash, app_version) values ('0099_future', 'x', '9.9.9')`,
    );
    const newest = migrations.at(-1)?.name;
    await expect(migrateDatabase(t.db)).rejects.toThrow(
      new RegExp(`at 0099_future \\(written by Attune 9\\.9\\.9\\).*up to ${newest}`),
    );
  });

  it("refuses a migration that was edited after it ran", async () => {
    await using t = await emptyDatabase(home);
    await migrateDatabase(t.db);
    await t.db.execute(sql`update public.migrations set hash = 'other' where position = 1`);
    await expect(migrateDatabase(t.db)).rejects.toThrow(/0000_start was changed after it was applied/);
  });

  it("leaves nothing of a migration that fails half-way", async () => {
    await using t = await emptyDatabase(home);
    const broken = {
      name: "9999_broken",
      hash: "x",
      statements: ["create table half ()", "select no_such_column"],
    };
    await expect(migrateDatabase(t.db, { migrations: [...migrations, broken] })).rejects.toThrow();
    expect(await readApplied(t.db)).toEqual([]);
    expect(await migrateDatabase(t.db)).toEqual(migrations.map(({ name }) => name));
  });

  it("dumps before it changes a database that holds data, and the dump can be loaded", async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "attune-migrate-"));
    onTestFinished(() => fs.rmSync(folder, { recursive: true, force: true }));
    await using old = await emptyDatabase(home);
    await migrateDatabase(old.db, { migrations: migrations.slice(0, 1) });
    // In words of that time: the schema of today has columns that the table has not yet.
    await old.db.execute(sql`insert into users (name, email) values ('Kept', 'kept@example.org')`);

    await prepareDatabase({ ...old, close }, folder);
    await prepareDatabase({ ...old, close }, folder);

    const dumps = fs.readdirSync(path.join(folder, "backups"));
    expect(dumps).toEqual([expect.stringMatching(/^before-upgrade-.*\.jsonl\.gz$/)]);
    await using restored = await emptyDatabase(home);
    await loadDatabase(restored.db, path.join(folder, "backups", dumps[0] ?? ""));
    expect(await restored.db.select({ name: users.name }).from(users)).toEqual([{ name: "Kept" }]);
    expect((await readApplied(restored.db)).map(({ name }) => name)).toEqual(
      migrations.map(({ name }) => name),
    );
  });

  it("changes nothing when the dump cannot be written", async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "attune-migrate-"));
    onTestFinished(() => fs.rmSync(folder, { recursive: true, force: true }));
    fs.writeFileSync(path.join(folder, "backups"), "a file where the folder should be");
    await using old = await emptyDatabase(home);
    await migrateDatabase(old.db, { migrations: migrations.slice(0, 1) });
    await expect(prepareDatabase({ ...old, close }, folder)).rejects.toThrow();
    expect(await readApplied(old.db)).toHaveLength(1);
  });

  it("finds the rows of demonstrations in snapshots made before rows were linked, but not where a link is lost", async () => {
    await using t = await emptyDatabase(home);
    const before = migrations.findIndex(({ name }) => name.endsWith("_prompt_use_case"));
    await migrateDatabase(t.db, { migrations: migrations.slice(0, before) });
    const run = (text: string) => t.db.execute(sql.raw(text));
    await run(`insert into guidelines (version, text) values (1, '')`);
    await run(
      `insert into prompts (source, messages, folded_text, split) values ('upload', '[]', 'p', 'train')`,
    );
    await run(`insert into demonstrations (prompt_id, pseudonym, text, guidelines_version, created_at)
      select id, 'p', text, 1, made::timestamptz from prompts,
        (values ('second', '2026-03-02'), ('first', '2026-03-01')) v (text, made)`);
    for (const [name, rows] of Object.entries({ whole: 2, "link lost": 3 })) {
      await run(
        `insert into datasets (name, kind, row_count, source) values ('${name}', 'demonstrations', ${rows}, 'product')`,
      );
    }
    await run(`insert into snapshot_demonstrations (dataset_id, demonstration_id)
      select datasets.id, demonstrations.id from datasets, demonstrations`);
    await migrateDatabase(t.db);
    const linked = await run(`select datasets.name, text, position from snapshot_demonstrations
      join datasets on datasets.id = dataset_id join demonstrations on demonstrations.id = demonstration_id
      order by datasets.name desc, text`);
    expect(linked.rows).toEqual([
      { name: "whole", text: "first", position: 0 },
      { name: "whole", text: "second", position: 1 },
      { name: "link lost", text: "first", position: null },
      { name: "link lost", text: "second", position: null },
    ]);
  });

  it("lets one of two programs that start at once migrate, while the other waits", async () => {
    await using t = await emptyDatabase(home);
    const both = await Promise.all([migrateDatabase(t.db), migrateDatabase(t.db)]);
    expect(both.map((names) => names.length).sort()).toEqual([0, migrations.length]);
  });

  it("writes the history of channels from before there was one, as the audit log tells it", async () => {
    await using t = await emptyDatabase(home);
    const before = migrations.findIndex(({ name }) => name.endsWith("_promotion"));
    await migrateDatabase(t.db, { migrations: migrations.slice(0, before) });
    await t.db.execute(sql`insert into checkpoints (id, name, stage, folder, manifest, size_bytes)
      values ('a', 'a', 'base', 'a', '{}', 1), ('b', 'b', 'sft', 'b', '{}', 1)`);
    const who = "00000000-0000-4000-8000-000000000001";
    await t.db.execute(sql`insert into audit_log (actor_id, action, subject, details, prev_hash, hash) values
      (null, 'channel.pointed', 'live', '{"from": null, "to": "a", "reason": "first start"}', '', '1'),
      (${who}, 'channel.pointed', 'live', '{"from": "a", "to": "b", "reason": "better"}', '1', '2'),
      (null, 'channel.pointed', 'live', '{"from": "b", "to": "gone", "reason": "lost"}', '2', '3')`);
    await t.db.execute(sql`insert into channels (name, checkpoint_id) values ('live', 'b'), ('spare', 'a')`);
    await migrateDatabase(t.db);
    const rows = await t.db.select().from(promotions).orderBy(promotions.id);
    expect(
      rows.map(({ channel, kind, checkpointId, previousId, actorId, reason }) => [
        channel,
        kind,
        checkpointId,
        previousId,
        actorId,
        reason,
      ]),
    ).toEqual([
      ["live", "started", "a", null, null, "first start"],
      ["live", "promotion", "b", "a", who, "better"],
      ["spare", "started", "a", null, null, "before the history began"],
    ]);
  });
});
