/** @file Whose judgments a figure is of: labelers', those of people in chat, or those of one model. */
import { z } from "zod";

export const judgeKeySchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("labelers") }),
  /** Who chose between two drafts in their own chats. */
  z.object({ kind: z.literal("people") }),
  z.object({ kind: z.literal("rewardModel"), rewardModelId: z.string().min(1).max(100) }),
  z.object({ kind: z.literal("endpoint"), name: z.string().min(1).max(200) }),
]);
export type JudgeKey = z.infer<typeof judgeKeySchema>;
