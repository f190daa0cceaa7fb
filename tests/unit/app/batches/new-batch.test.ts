/** @file What the form of a new batch sends: prompts named one by one or found by a filter, and a group of labelers. */
import { describe, expect, it } from "vitest";
import {
  newBatchAddress,
  promptsOfHash,
  readPromptIds,
} from "@/app/(settings)/admin/batches/new/named-prompts";
import { type BatchDraft, toBatch } from "@/app/(settings)/admin/batches/new/use-new-batch";
import { newBatchSchema } from "@/server/domain/batches/batch-schema";
import { newTestSchema } from "@/server/domain/qualification/test-schema";

const [a, b] = ["0192aaaa-1111-7222-8333-444444444444", "0192bbbb-1111-7222-8333-444444444444"] as const;
const draft: BatchDraft = {
  name: "Ferns",
  task: "demonstration",
  purpose: "work",
  sourceId: "",
  test: newTestSchema.parse({}),
  chosenBy: "filter",
  promptIds: "",
  sources: ["upload"],
  splits: [],
  order: "newest",
  count: 7,
  includesUsed: false,
  includesSensitive: true,
  responsesFrom: "policies",
  policies: [],
  k: 9,
  temperature: 1,
  maxTokens: 512,
  overlap: 2,
  groupId: null,
  guidelinesVersion: null,
  priority: 0,
  first: "plain",
  doubtModelId: "",
  deadline: "",
  hasRatings: true,
  repeatShare: 10,
  goldShare: 0,
  costPerHour: "",
  opensAtOnce: true,
};

describe("prompts named one by one", () => {
  it("are read from lines, spaces and commas, each once and in their order", () => {
    expect(readPromptIds(` ${b},\n${a.toUpperCase()} ${b}\n`)).toEqual({ ids: [b, a], problem: null });
    expect(readPromptIds("")).toEqual({ ids: [], problem: null });
  });

  it("are refused by naming the first thing that is no id", () => {
    expect(readPromptIds(`${a} fern`).problem).toBe("“fern” is not the id of a prompt.");
    const many = Array.from({ length: 5_001 }, (_, i) => a.slice(0, -4) + String(1000 + i).padStart(4, "0"));
    expect(readPromptIds(many.join("\n")).problem).toContain("5,000");
  });

  it("come through the address of the form", () => {
    const { hash } = new URL(newBatchAddress([a, b]), "http://localhost");
    expect(promptsOfHash(hash)).toBe(`${a}\n${b}`);
    expect(promptsOfHash("#main")).toBe("");
  });
});

describe("a new batch", () => {
  it("asks for no policy and no K where the responses came with the prompts, and for none of either where people write", () => {
    const ranked = {
      ...draft,
      task: "ranking" as const,
      policies: ["a".repeat(64)],
      responsesFrom: "prompts" as const,
    };
    expect(newBatchSchema.parse(toBatch(ranked))).toMatchObject({
      responsesFrom: "prompts",
      policies: [],
      k: null,
    });
    expect(toBatch({ ...ranked, task: "demonstration" })).toMatchObject({ responsesFrom: "policies" });
    expect(toBatch({ ...ranked, purpose: "practice", sourceId: a })).toMatchObject({
      responsesFrom: "policies",
      prompts: { by: "batch" },
    });
  });

  it("takes the filter or the named prompts, never both, and the group", () => {
    const filtered = newBatchSchema.parse(toBatch(draft));
    expect(filtered.prompts).toMatchObject({ by: "filter", sources: ["upload"], count: 7 });
    expect(filtered).toMatchObject({ groupId: null, repeatShare: 0.1 });
    const named = newBatchSchema.parse(
      toBatch({ ...draft, chosenBy: "ids", promptIds: `${b}\n${a}`, groupId: a }),
    );
    expect(named.prompts).toEqual({ by: "ids", promptIds: [b, a] });
    expect(named.groupId).toBe(a);
  });

  it("asks a reward model for the order only where responses are ranked in work", () => {
    const doubted: BatchDraft = {
      ...draft,
      first: "margin",
      doubtModelId: "a".repeat(64),
      policies: ["b".repeat(64)],
    };
    const sent = newBatchSchema.parse(toBatch({ ...doubted, task: "ranking" }));
    expect(sent.doubtFirst).toEqual({ by: "margin", rewardModelId: "a".repeat(64) });
    expect(toBatch(doubted).doubtFirst).toBeNull();
    expect(toBatch({ ...doubted, task: "ranking", purpose: "practice" }).doubtFirst).toBeNull();
    expect(toBatch({ ...doubted, task: "ranking", first: "plain" }).doubtFirst).toBeNull();
  });
});
