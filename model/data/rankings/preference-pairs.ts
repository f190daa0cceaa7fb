/**
 * @file Chosen and rejected responses, as TRL's trainers take them: with the prompt or with the prompt inside both, as
 * text or as turns.
 */
import { z } from "zod";
import { userTurn } from "./k-way";
import { defined, type JsonItem, type Layout, parseItem, responsePairs, restOf } from "./layout";
import { ItemFault, messageSchema, type PromptTurn, type RankedPrompt } from "./ranked-prompt";
import { isTranscript, readTranscript, writeTranscript } from "./transcript";

const pairShape = '{"prompt"?: text or turns, "chosen": text or turns, "rejected": text or turns}.';
const transcriptShape =
  '{"chosen": "\\n\\nHuman: … \\n\\nAssistant: …", "rejected": the same but for the last response}.';

const textOrTurns = z.union([z.string(), z.array(messageSchema).min(1)], {
  error: "is neither text nor a list of turns with role and content",
});
const pairSchema = z.object({
  prompt: textOrTurns.optional(),
  system: z.string().optional(),
  chosen: textOrTurns,
  rejected: textOrTurns,
  id: z.string().optional(),
  labeler: z.string().optional(),
  instructionVersion: z.string().optional(),
  at: z.string().optional(),
  chosenModel: z.string().optional(),
  rejectedModel: z.string().optional(),
});
const knownFields = [...Object.keys(pairSchema.shape), "rankGap"];
type Pair = z.infer<typeof pairSchema>;

const leavesOut =
  "Ties, responses that nobody ranked, notes on responses; a ranking of K becomes a line per comparison.";

export const trlPairs: Layout = {
  label: "Chosen and rejected (TRL)",
  shape: pairShape,
  container: "lines",
  leavesOut,
  matches: (item) => "chosen" in item && "rejected" in item,
  *read(item) {
    yield readPair(item, pairShape);
  },
  *write(record) {
    for (const { first, second, ...pair } of comparisonsOf(record)) {
      const turn = (content: string) => [{ role: "assistant", content }];
      yield { prompt: record.prompt, chosen: turn(first.text), rejected: turn(second.text), ...pair };
    }
  },
};

export const hhTranscripts: Layout = {
  label: "Chosen and rejected transcripts (Anthropic HH)",
  shape: transcriptShape,
  container: "lines",
  leavesOut,
  matches: (item) => typeof item.chosen === "string" && isTranscript(item.chosen) && "rejected" in item,
  *read(item) {
    yield readPair(item, transcriptShape);
  },
  *write(record) {
    for (const { first, second, ...pair } of comparisonsOf(record)) {
      const text = (content: string) => writeTranscript([...record.prompt, { role: "assistant", content }]);
      const [chosen, rejected] = [text(first.text), text(second.text)];
      if (chosen instanceof ItemFault) yield chosen;
      else if (rejected instanceof ItemFault) yield rejected;
      else yield { chosen, rejected, ...pair };
    }
  },
};

function comparisonsOf(record: RankedPrompt) {
  return responsePairs(record).flatMap(({ first, second, ranking, rankGap }) => {
    if (rankGap === 0) return [];
    const { labeler, instructionVersion, at } = ranking;
    const models = { chosenModel: first.model, rejectedModel: second.model };
    return [
      { first, second, ...defined({ id: record.id, ...models, labeler, instructionVersion, at, rankGap }) },
    ];
  });
}

function readPair(item: JsonItem, shape: string): RankedPrompt | ItemFault {
  const pair = parseItem(pairSchema, item, shape);
  if (pair instanceof ItemFault) return pair;
  const parts = splitPair(pair);
  if (parts instanceof ItemFault) return parts;
  const system = pair.system ? [{ role: "system" as const, content: pair.system }] : [];
  const { labeler, instructionVersion, at } = pair;
  return defined({
    id: pair.id,
    prompt: [...system, ...parts.prompt],
    responses: [
      defined({ text: parts.chosen, model: pair.chosenModel }),
      defined({ text: parts.rejected, model: pair.rejectedModel }),
    ],
    rankings: [defined({ ranks: [1, 2], labeler, instructionVersion, at })],
    meta: restOf(item, knownFields),
  });
}

type Parts = { prompt: PromptTurn[]; chosen: string; rejected: string };

function splitPair({ prompt, chosen, rejected }: Pair): Parts | ItemFault {
  if (typeof chosen !== typeof rejected) {
    return new ItemFault(
      "rejected",
      "is not of the kind that chosen is",
      "Give both as text, or both as turns.",
    );
  }
  const given = typeof prompt === "string" ? promptTurns(prompt) : (prompt ?? []);
  if (typeof chosen !== "string" && typeof rejected !== "string") return splitTurns(given, chosen, rejected);
  const [a, b] = [String(chosen), String(rejected)];
  if (given.length > 0) return { prompt: given, chosen: a, rejected: b };
  return isTranscript(a) ? splitTurns([], readTranscript(a), readTranscript(b)) : splitText(a, b);
}

/** A prompt of the transcript kind ends with the marker of the response to come. */
function promptTurns(prompt: string): PromptTurn[] {
  if (!isTranscript(prompt)) return [userTurn(prompt)];
  const turns = readTranscript(prompt);
  return turns.at(-1)?.role === "assistant" && turns.at(-1)?.content.trim() === ""
    ? turns.slice(0, -1)
    : turns;
}

/** Turns may hold the response alone or the prompt as well; then the prompt's own turns say what was asked. */
function splitTurns(
  given: readonly PromptTurn[],
  chosen: readonly PromptTurn[],
  rejected: readonly PromptTurn[],
): Parts | ItemFault {
  const [last, other] = [chosen.at(-1), rejected.at(-1)];
  if (last?.role !== "assistant" || other?.role !== "assistant") {
    const field = last?.role === "assistant" ? "rejected" : "chosen";
    return new ItemFault(field, "does not end with an assistant's turn", "The last turn is the response.");
  }
  const [before, beforeOther] = [chosen.slice(0, -1), rejected.slice(0, -1)];
  if (JSON.stringify(before) !== JSON.stringify(beforeOther)) {
    const reason = "differs from chosen before the last response";
    return new ItemFault(
      "rejected",
      reason,
      "Both must answer the same prompt: only the last turn may differ.",
    );
  }
  const isWhole = before.length >= given.length && before.length > 0;
  return { prompt: isWhole ? before : [...given], chosen: last.content, rejected: other.content };
}

/** As TRL's extract_prompt: what both texts begin with, less a space at its end. */
function splitText(chosen: string, rejected: string): Parts | ItemFault {
  let at = 0;
  while (at < Math.min(chosen.length, rejected.length) && chosen[at] === rejected[at]) at++;
  if (at > 0 && chosen[at - 1] === " ") at--;
  const prompt = chosen.slice(0, at);
  if (prompt.trim() === "") {
    const remedy = "Add a prompt, or begin both texts with it.";
    return new ItemFault("prompt", "is missing, and chosen and rejected begin differently", remedy);
  }
  return { prompt: [userTurn(prompt)], chosen: chosen.slice(at), rejected: rejected.slice(at) };
}
