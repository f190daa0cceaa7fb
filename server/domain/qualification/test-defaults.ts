/** @file What a qualification test is unless its lead says otherwise. Plain values, for forms too. */

/** Fields that prompts of a chat come from; a lead writes their own list. */
export const suggestedAreas = [
  "Everyday writing and editing",
  "Health and medicine",
  "Law and money",
  "Mathematics and science",
  "Programming",
  "History, politics and culture",
  "Sensitive speech",
] as const;

/** Cut-offs: the soft ones of InstructGPT (arXiv 2203.02155, appendix B.1). */
export const testDefaults = {
  flagCutoff: 0.75,
  rankingCutoff: 0.75,
  ratingCutoff: 6,
  retakeAfterDays: 7,
  mostSittings: 3,
} as const;
