/** @file Two policies that are compared, whichever of them was called the candidate when labelers were asked. */
import { type SQL, sql } from "drizzle-orm";
import { batches } from "@/drizzle/schema";

export type PolicyPair = { candidateId: string; opponentId: string };

/** True for evaluations of these two. Correlates with `batches`. */
export const ofPair = ({ candidateId, opponentId }: PolicyPair): SQL<boolean> =>
  sql<boolean>`(
    ${batches.purpose} = 'evaluation' and ${batches.policies} @> array[${candidateId}, ${opponentId}]::text[]
  )`;
