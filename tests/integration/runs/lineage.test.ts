/** @file A run that starts from an adapter: its lineage's base goes with it to workers, stays on the disk, and is asked for by name. */
import fs from "node:fs/promises";
import path from "node:path";
import { eq } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import { checkpoints } from "@/drizzle/schema";
import { describeUse } from "@/server/domain/channels";
import { locateCheckpoint, markDeleted, registerCheckpoint } from "@/server/domain/checkpoints";
import { planRetention } from "@/server/runs/retention";
import { runsServer, writeAdapter } from "../../helpers/runs-server";

describe("a worker that claims a run from an adapter", () => {
  it("is offered the lineage's base along with it, and may fetch both", async () => {
    await using server = await runsServer();
    const adapter = await writeAdapter(server, { name: "First" });
    await server.newRun({ baseCheckpointId: adapter.id });
    const worker = await server.newWorker();
    const stranger = await server.newWorker("X");
    const { base, lineageBase, facts } = await worker.claim();
    expect(facts.parent).toBe(adapter.id);
    expect([base?.id, lineageBase?.id]).toEqual([adapter.id, server.baseCheckpointId]);
    expect(Object.keys(base?.files ?? {})).toContain("adapter_model.safetensors");
    const weights = "model.safetensors";
    expect(Object.keys(lineageBase?.files ?? {})).toContain(weights);
    expect((await worker.fetchFile(server.baseCheckpointId, weights)).toString()).toBe("weights of the base");
    const at = `checkpoints/${server.baseCheckpointId}/files/${weights}`;
    expect((await stranger.send("GET", at)).status).toBe(404);
  });

  it("is offered none where the run starts from a bare base", async () => {
    await using server = await runsServer();
    await server.newRun();
    expect((await (await server.newWorker()).claim()).lineageBase).toBeNull();
  });

  it("uploads adapters over that base alone", async () => {
    await using server = await runsServer();
    const adapter = await writeAdapter(server, { name: "First" });
    await server.newRun({ baseCheckpointId: adapter.id });
    const worker = await server.newWorker();
    const run = await worker.claim();
    const made = worker.checkpoint(run, { weights: "adapter" });
    const over = (lineageBase: string) => {
      const manifest = JSON.stringify({ ...JSON.parse(made.manifest), lineageBase });
      return worker.open(run, { ...made, manifest }, { step: 1 });
    };
    const refused = await over(adapter.id);
    expect(refused.body.error).toMatchObject({ code: "invalid" });
    expect(refused.body.error?.message).toContain(
      `the base of this run's lineage is ${server.baseCheckpointId}`,
    );
    expect((await over(server.baseCheckpointId)).status).toBe(200);
  });
});

describe("the base that an adapter needs", () => {
  it("is kept by retention and by `models remove` as long as the adapter is there", async () => {
    await using server = await runsServer();
    await server.newRun();
    const worker = await server.newWorker();
    const run = await worker.claim();
    const ids: string[] = [];
    for (const step of [1, 2, 3, 4]) ids.push(await worker.upload(run, { step, weights: `${step}` }));
    const [first = ""] = ids;
    const adapter = await writeAdapter(server, { name: "Later", over: first });
    const plan = async () => (await planRetention(server.db, null)).items.slice(0, 2);
    expect(await plan()).toMatchObject([
      { step: 1, action: "keep", reason: "Later is an adapter over it" },
      { step: 2, action: "remove" },
    ]);
    expect(await describeUse(server.db, first)).toBe("Later is an adapter over it");
    await markDeleted(server.db, adapter.id);
    expect(await plan()).toMatchObject([
      { step: 1, action: "remove" },
      { step: 2, action: "remove" },
    ]);
    expect(await describeUse(server.db, first)).toBeNull();
  });

  it("is registered along with the adapter, and told to whoever serves it, with the memory that both take", async () => {
    await using server = await runsServer();
    const { folder, id } = await writeAdapter(server, { name: "First" });
    const baseFolder = path.join(server.dataFolder, "models", "base");
    // As on a server that has never heard of either.
    await server.db.delete(checkpoints);
    expect(await registerCheckpoint(server.db, folder, server.dataFolder)).toBe(id);
    const [base] = await server.db
      .select()
      .from(checkpoints)
      .where(eq(checkpoints.id, server.baseCheckpointId));
    expect(base?.folder).toBe(path.join("models", "base"));
    const place = await locateCheckpoint(server.db, id, server.dataFolder);
    expect(place.basePlaces[0]).toBe(baseFolder);
    const [own] = await server.db.select().from(checkpoints).where(eq(checkpoints.id, id));
    expect(place.sizeBytes).toBe((own?.sizeBytes ?? 0) + (base?.sizeBytes ?? 0));
    expect(
      (await server.asAdmin.models.checkpoints()).find((each) => each.id === id)?.lineageBase?.name,
    ).toBe("Base");
  });

  it("stands in the way of a run, by name, where its files are gone", async () => {
    await using server = await runsServer();
    const adapter = await writeAdapter(server, { name: "First" });
    await fs.rm(path.join(server.dataFolder, "models", "base"), { recursive: true });
    await expect(server.newRun({ baseCheckpointId: adapter.id })).rejects.toThrow(
      /an adapter whose lineage's base is needed\. The files of its base checkpoint Base are not in .*models\/base/,
    );
  });
});

it("a run that asks for another adapter than it starts from is refused before it waits for a worker", async () => {
  await using server = await runsServer();
  const { id } = await writeAdapter(server, { name: "First" });
  const asked = (lora: object | null) => server.newRun({ baseCheckpointId: id, config: { lora } });
  await expect(asked({ rank: 8 })).rejects.toThrow(
    /lora\.rank: 8 is asked for, but First is an adapter with 4/,
  );
  await expect(asked({ alpha: 32 })).rejects.toThrow(/lora\.alpha: 32 .*Leave it out/s);
  for (const fitting of [{}, { rank: 4, alpha: 8, targets: ["q_proj"] }, null]) {
    expect(await asked(fitting)).toBeTruthy();
  }
});
