/** @file Brings together what this server knows of a candidate against its opponent: one reader for each part. */
import type { Db } from "../../db/db";
import { type Evidence, nothingMeasured } from "./gates";

export type Comparison = {
  candidateId: string;
  /** What people talk to now. */
  opponentId: string | null;
  /** Whose judgments do not count: who asked for the promotion, and who approved it. */
  without: readonly string[];
};

type Reader<Part extends keyof Evidence> = (db: Db, comparison: Comparison) => Promise<Evidence[Part]>;

/** A part without a reader is not measured on this server. */
const readers: { [Part in keyof Evidence]?: Reader<Part> } = {};

export async function readEvidence(db: Db, comparison: Comparison): Promise<Evidence> {
  const parts = Object.entries(readers).map(async ([part, read]) => [part, await read(db, comparison)]);
  return { ...nothingMeasured, ...Object.fromEntries(await Promise.all(parts)) };
}
