/** @file Open-Assistant's conversation trees: each prompter's message whose replies carry ranks is one ranked prompt. */
import { z } from "zod";
import { rankedPairsConsensus } from "../../eval/consensus";
import { createRanking } from "../../eval/ranking";
import { defined, type JsonItem, type Layout, parseItem, restOf } from "./layout";
import { ItemFault, type PromptTurn, type RankedPrompt, toDenseRanks } from "./ranked-prompt";

const shape =
  '{"message_tree_id", "prompt": {"text", "role": "prompter" | "assistant", "rank"?, "replies": […]}}; rank 0 is best.';

/** Replies are checked one by one: a tree may be of any depth, and one bad reply need not cost the others. */
const nodeSchema = z.looseObject({
  text: z.string(),
  role: z.enum(["prompter", "assistant"], { error: "is neither prompter nor assistant" }),
  message_id: z.string().optional(),
  rank: z.number().nullish(),
  model_name: z.string().nullish(),
  deleted: z.boolean().nullish(),
  replies: z.array(z.unknown()).default([]),
});
type Node = z.infer<typeof nodeSchema>;
type Place = { node: Node; parent: Place | null; field: string };

export const oasstTrees: Layout = {
  label: "Open-Assistant trees",
  shape,
  container: "lines",
  leavesOut:
    "Who ranked: each response carries one rank, the consensus (ranked pairs) where several people ranked; responses that nobody ranked.",
  matches: (item) => "message_tree_id" in item && "prompt" in item,
  *read(item) {
    const root = readNode(item.prompt, "prompt");
    if (root instanceof ItemFault) {
      yield root;
      return;
    }
    const open: Place[] = [{ node: root, parent: null, field: "prompt" }];
    for (let place = open.pop(); place; place = open.pop()) {
      const replies: Place[] = [];
      for (const [index, raw] of place.node.replies.entries()) {
        const field = `${place.field}.replies.${index}`;
        const node = readNode(raw, field);
        if (node instanceof ItemFault) yield node;
        else if (!node.deleted) replies.push({ node, parent: place, field });
      }
      const record = rankedReplies(
        place,
        replies.map(({ node }) => node),
        item,
      );
      if (record) yield record;
      open.push(...replies.toReversed());
    }
  },
  *write(record) {
    yield writeTree(record);
  },
};

function readNode(raw: unknown, field: string): Node | ItemFault {
  const read = parseItem(nodeSchema, raw, shape);
  if (!(read instanceof ItemFault)) return read;
  return new ItemFault(read.field ? `${field}.${read.field}` : field, read.reason, read.remedy);
}

function turnOf({ role, text }: Node): PromptTurn {
  return { role: role === "prompter" ? "user" : "assistant", content: text };
}

/** The turns from the root on; only for a place that has a record, as a tree may be deep. */
function turnsTo(place: Place, { system }: JsonItem): PromptTurn[] {
  const turns: PromptTurn[] = [];
  for (let at: Place | null = place; at; at = at.parent) turns.push(turnOf(at.node));
  if (typeof system === "string") turns.push({ role: "system", content: system });
  return turns.toReversed();
}

function rankedReplies(place: Place, replies: readonly Node[], item: JsonItem): RankedPrompt | null {
  const prompter = place.node;
  if (prompter.role !== "prompter") return null;
  const ranked = replies.filter(({ role, rank }) => role === "assistant" && typeof rank === "number");
  if (ranked.length < 2) return null;
  return defined({
    id: prompter.message_id,
    prompt: turnsTo(place, item),
    responses: ranked.map(({ text, model_name, message_id }) =>
      defined({
        text,
        model: model_name ?? undefined,
        meta: message_id === undefined ? undefined : { messageId: message_id },
      }),
    ),
    rankings: [{ ranks: toDenseRanks(ranked.map(({ rank }) => rank ?? null)) }],
    meta: restOf({ ...item, ...(prompter.lang ? { lang: prompter.lang } : {}) }, [
      "prompt",
      "tree_state",
      "system",
    ]),
  });
}

/** The turns as a chain of single replies; the responses hang at its end. */
function writeTree(record: RankedPrompt): JsonItem | ItemFault {
  const system = record.prompt[0]?.role === "system" ? record.prompt[0].content : undefined;
  const turns = record.prompt.slice(system === undefined ? 0 : 1);
  if (turns.some(({ role }) => role === "system")) {
    return new ItemFault(
      "prompt",
      "has a later system turn, which trees cannot hold",
      "Export it in another layout.",
    );
  }
  const id = record.id ?? "";
  const ranks = consensusRanks(record);
  let replies: JsonItem[] = record.responses.flatMap(({ text, model, meta }, place) => {
    const rank = ranks[place] ?? null;
    if (rank === null) return [];
    const message_id = typeof meta?.messageId === "string" ? meta.messageId : `${id}/response/${place}`;
    return [defined({ message_id, text, role: "assistant", rank: rank - 1, model_name: model, replies: [] })];
  });
  for (const [place, { role, content }] of [...turns.entries()].toReversed()) {
    const isLast = place === turns.length - 1;
    const message_id = isLast ? id : `${id}/turn/${place}`;
    replies = [{ message_id, text: content, role: role === "user" ? "prompter" : "assistant", replies }];
  }
  const tree = typeof record.meta?.message_tree_id === "string" ? record.meta.message_tree_id : id;
  return defined({ message_tree_id: tree, tree_state: "ready_for_export", system, prompt: replies[0] });
}

function consensusRanks({ responses, rankings }: RankedPrompt): (number | null)[] {
  const ids = responses.map((_, place) => String(place));
  const [only, ...others] = rankings;
  if (only && others.length === 0) return toDenseRanks(only.ranks);
  const { ranking } = rankedPairsConsensus(rankings.map(({ ranks }) => createRanking(ids, ranks)));
  return ids.map((id) => ranking.get(id) ?? null);
}
