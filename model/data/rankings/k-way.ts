/** @file K responses to a prompt with their rankings on one line: Attune's own layout, which keeps everything, and kin. */
import { z } from "zod";
import { defined, type JsonItem, type Layout, parseItem, restOf } from "./layout";
import {
  ItemFault,
  messageSchema,
  type RankedPrompt,
  type ResponseRanking,
  rankedPromptSchema,
  toDenseRanks,
} from "./ranked-prompt";

const shape =
  '{"prompt": text or turns, "responses": [{"text", "model"?, "rank"?}, …], "rankings"?: [{"ranks": [1, 2, …]}, …]}.';
const formatVersion = 1;

/** Kin, as alpaca_eval's rankings are kept: each response carries its rank, counted from 0 or 1, best first. */
const plainSchema = z.object({
  id: z.string().optional(),
  prompt: z.union([z.string(), z.array(messageSchema)]),
  system: z.string().optional(),
  responses: z.array(
    z.looseObject({ text: z.string(), model: z.string().optional(), rank: z.number().nullish() }),
  ),
});

export const kWay: Layout = {
  label: "K-way rankings (JSONL)",
  shape,
  container: "lines",
  leavesOut: null,
  matches: (item) => "prompt" in item && Array.isArray(item.responses) && !("fields" in item),
  *read(item) {
    yield "rankings" in item ? readOwn(item) : readPlain(item);
  },
  *write(record) {
    yield { formatVersion, ...record };
  },
};

function readOwn(item: JsonItem): RankedPrompt | ItemFault {
  const { formatVersion: version = formatVersion, ...rest } = item;
  if (version !== formatVersion) {
    const reason = `is ${JSON.stringify(version)}, and this version of Attune reads ${formatVersion}`;
    return new ItemFault("formatVersion", reason, "Export the data anew, or bring Attune up to date.");
  }
  const prompt = typeof rest.prompt === "string" ? [{ role: "user", content: rest.prompt }] : rest.prompt;
  return parseItem(rankedPromptSchema, { ...rest, prompt }, shape);
}

function readPlain(item: JsonItem): RankedPrompt | ItemFault {
  const read = parseItem(plainSchema, item, shape);
  if (read instanceof ItemFault) return read;
  const ranks = toDenseRanks(read.responses.map(({ rank }) => rank ?? null));
  if (ranks.every((rank) => rank === null)) {
    return new ItemFault("responses.0.rank", "is missing, and so are the others", `Expected: ${shape}`);
  }
  const turns = typeof read.prompt === "string" ? [userTurn(read.prompt)] : read.prompt;
  const ranking: ResponseRanking = { ranks };
  return defined({
    id: read.id,
    prompt: read.system ? [{ role: "system" as const, content: read.system }, ...turns] : turns,
    responses: read.responses.map((response) =>
      defined({
        text: response.text,
        model: response.model,
        meta: restOf(response, ["text", "model", "rank"]),
      }),
    ),
    rankings: [ranking],
    meta: restOf(item, ["id", "prompt", "system", "responses"]),
  });
}

export function userTurn(content: string): { role: "user"; content: string } {
  return { role: "user", content };
}
