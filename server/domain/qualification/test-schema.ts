/** @file What a lead says of a qualification test: what it asks beside rankings, and what passes. */
import { z } from "zod";

/** Fields that prompts of a chat come from; a lead writes their own list. */
const suggestedAreas = [
  "Everyday writing and editing",
  "Health and medicine",
  "Law and money",
  "Mathematics and science",
  "Programming",
  "History, politics and culture",
  "Sensitive speech",
] as const;

const share = z.number().min(0, "A share is at least 0 %.").max(1, "A share is at most 100 %.");

/** Defaults: the soft cut-offs of InstructGPT (arXiv 2203.02155, appendix B.1). */
export const testSettingsSchema = z.object({
  flagCutoff: share.default(0.75),
  rankingCutoff: share.default(0.75),
  ratingCutoff: z.number().min(1).max(7, "Demonstrations are rated 1 to 7.").default(6),
  /** Days after a failed sitting until the next. */
  retakeAfterDays: z.int().min(0).max(365).default(7),
  /** Sittings in all, until a lead asks for more; null = no limit. */
  mostSittings: z.int().min(1).max(100).nullable().default(3),
  areas: z
    .array(z.string().trim().min(1).max(60, "An area may have 60 characters."))
    .max(30, "At most 30 areas.")
    .default([...suggestedAreas])
    .transform((areas) => [...new Set(areas)]),
});
export type TestSettings = z.infer<typeof testSettingsSchema>;

/** With how many demonstrations it asks for: changed no more once it is made. */
export const newTestSchema = testSettingsSchema.extend({
  demonstrations: z.int().min(0).max(20, "At most 20 demonstrations.").default(3),
});
export type NewTest = z.infer<typeof newTestSchema>;
