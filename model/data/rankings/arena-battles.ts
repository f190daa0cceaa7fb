/** @file Battles of two models in Chatbot Arena's layout: who won, a tie, or both bad. */
import { z } from "zod";
import { defined, type JsonItem, type Layout, parseItem, responsePairs, restOf } from "./layout";
import { ItemFault, messageSchema, type RankedPrompt } from "./ranked-prompt";

const shape =
  '{"model_a", "model_b", "winner": "model_a" | "model_b" | "tie" | "tie (bothbad)", "conversation_a": turns, "conversation_b": turns}.';

const bothBad = "tie (bothbad)";
const outcomes: Record<string, [number, number]> = {
  model_a: [1, 2],
  model_b: [2, 1],
  tie: [1, 1],
  [bothBad]: [1, 1],
  // Later releases of the same data spell it so.
  both_bad: [1, 1],
};

const battleSchema = z.object({
  question_id: z.string().optional(),
  model_a: z.string(),
  model_b: z.string(),
  winner: z.string().refine((winner) => Object.hasOwn(outcomes, winner), {
    error: ({ input }) => `is ${JSON.stringify(input)}; known: ${Object.keys(outcomes).join(", ")}`,
  }),
  judge: z.string().optional(),
  conversation_a: z.array(messageSchema).min(2),
  conversation_b: z.array(messageSchema).min(2),
  /** Seconds since 1970; as many as a Date holds. */
  tstamp: z.number().min(0).max(8.64e12).optional(),
  instruction_version: z.string().optional(),
});

export const arenaBattles: Layout = {
  label: "Arena battles",
  shape,
  container: "lines",
  leavesOut:
    "Responses that nobody ranked, notes on responses; a ranking of K becomes a battle for each of its pairs.",
  matches: (item) => "winner" in item && "conversation_a" in item && "conversation_b" in item,
  *read(item) {
    yield readBattle(item);
  },
  *write(record) {
    for (const { first, second, ranking, rankGap } of responsePairs(record)) {
      const conversation = (content: string) => [...record.prompt, { role: "assistant", content }];
      const tied = ranking.noneAcceptable ? bothBad : "tie";
      yield defined({
        question_id: record.id,
        model_a: first.model ?? "unknown",
        model_b: second.model ?? "unknown",
        winner: rankGap > 0 ? "model_a" : tied,
        judge: ranking.labeler,
        conversation_a: conversation(first.text),
        conversation_b: conversation(second.text),
        turn: record.prompt.filter(({ role }) => role === "user").length,
        tstamp: secondsAt(ranking.at),
        instruction_version: ranking.instructionVersion,
      });
    }
  },
};

function secondsAt(at: string | undefined): number | undefined {
  const milliseconds = at === undefined ? Number.NaN : Date.parse(at);
  return Number.isNaN(milliseconds) ? undefined : milliseconds / 1000;
}

function readBattle(item: JsonItem): RankedPrompt | ItemFault {
  const battle = parseItem(battleSchema, item, shape);
  if (battle instanceof ItemFault) return battle;
  const [prompt, other] = [battle.conversation_a.slice(0, -1), battle.conversation_b.slice(0, -1)];
  if (JSON.stringify(prompt) !== JSON.stringify(other)) {
    const reason =
      "differs from conversation_a before the last response, as every battle of several turns does";
    const remedy =
      "Leave it out, or cut both to the first turn: a ranking needs one prompt for both responses.";
    return new ItemFault("conversation_b", reason, remedy);
  }
  const last = (turns: typeof prompt, model: string) => ({
    text: turns.at(-1)?.content ?? "",
    ...(model === "unknown" ? {} : { model }),
  });
  const isBothBad = battle.winner === bothBad || battle.winner === "both_bad";
  return defined({
    id: battle.question_id,
    prompt,
    responses: [last(battle.conversation_a, battle.model_a), last(battle.conversation_b, battle.model_b)],
    rankings: [
      defined({
        ranks: [...(outcomes[battle.winner] ?? [])],
        labeler: battle.judge,
        instructionVersion: battle.instruction_version,
        noneAcceptable: isBothBad ? true : undefined,
        at:
          battle.tstamp === undefined ? undefined : new Date(Math.round(battle.tstamp * 1000)).toISOString(),
      }),
    ],
    meta: restOf(item, [...Object.keys(battleSchema.shape), "turn"]),
  });
}
