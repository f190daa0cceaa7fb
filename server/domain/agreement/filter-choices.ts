/** @file What a lead may narrow agreement down to: batches that hold rankings, groups, versions of the guidelines. */
import { desc, inArray } from "drizzle-orm";
import { batches, guidelines, labelerGroups } from "@/drizzle/schema";
import type { Db } from "../../db/db";

const batchesListed = 500;

export async function listFilterChoices(db: Db) {
  const [ofBatches, groups, versions] = await Promise.all([
    db
      .select({ id: batches.id, name: batches.name, purpose: batches.purpose })
      .from(batches)
      .where(inArray(batches.purpose, ["work", "imported"]))
      .orderBy(desc(batches.createdAt))
      .limit(batchesListed),
    db
      .select({ id: labelerGroups.id, name: labelerGroups.name, isHeldOut: labelerGroups.isHeldOut })
      .from(labelerGroups)
      .orderBy(labelerGroups.name),
    db.select({ version: guidelines.version }).from(guidelines).orderBy(desc(guidelines.version)),
  ]);
  return { batches: ofBatches, groups, guidelinesVersions: versions.map(({ version }) => version) };
}
