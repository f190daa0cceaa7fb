/** @file What the tasks and states of a batch are called, and what each means. */
import type { Batch } from "@/app/_lib/api-types";

export const taskNames: Record<Batch["task"], string> = {
  ranking: "Ranking",
  pairwise: "Pairs",
  demonstration: "Demonstrations",
};

export const taskTexts: Record<Batch["task"], string> = {
  ranking: "Four to nine responses are put in order, ties allowed: up to 36 comparisons a task.",
  pairwise: "Two responses: left, right, as good, or both bad. One comparison a task, quickly made.",
  demonstration: "A person writes the answer they would want. Material for SFT.",
};

export const statusNames: Record<Batch["status"], string> = {
  preparing: "not opened yet",
  open: "open",
  paused: "paused",
  closed: "closed",
};

export const purposeNames: Record<Batch["purpose"], string> = {
  work: "Work",
  practice: "Practice",
  qualification: "Qualification test",
  imported: "Imported",
  evaluation: "Evaluation",
};
