/** @file A conversation is a tree: edits and regenerations are siblings. Reads branches out of it; knows no server. */

export type TreeMessage = {
  id: string;
  parentId: string | null;
  createdAt: Date;
  /** Of two drafts the one that the conversation does not go on with. */
  isLeftBehind?: boolean;
};

/** The messages from the first one down to `leafId`; empty when the leaf is unknown. */
export function pathTo<M extends TreeMessage>(messages: readonly M[], leafId: string | null): M[] {
  const byId = new Map(messages.map((message) => [message.id, message]));
  const path: M[] = [];
  let current = leafId ? byId.get(leafId) : undefined;
  while (current) {
    path.push(current);
    byId.delete(current.id); // a cycle, which the database rules out, could not hang the page
    current = current.parentId ? byId.get(current.parentId) : undefined;
  }
  return path.reverse();
}

/** Messages with the same parent and so at the same place, oldest first; includes the message itself. */
export function siblingsOf<M extends TreeMessage>(messages: readonly M[], message: M): M[] {
  return messages.filter(({ parentId }) => parentId === message.parentId).sort(byAge);
}

/** Follows the newest child from `messageId` down, past drafts that were left behind: where choosing a sibling leads. */
export function newestLeafBelow<M extends TreeMessage>(messages: readonly M[], messageId: string): string {
  let leafId = messageId;
  const seen = new Set<string>();
  while (!seen.has(leafId)) {
    seen.add(leafId);
    leafId =
      messages
        .filter(({ parentId }) => parentId === leafId)
        .sort((a, b) => Number(isLeft(b)) - Number(isLeft(a)) || byAge(a, b))
        .at(-1)?.id ?? leafId;
  }
  return leafId;
}

const isLeft = ({ isLeftBehind = false }: TreeMessage) => isLeftBehind;

/** The leaf of the newest message: the branch to show where none is remembered. */
export function newestLeaf<M extends TreeMessage>(messages: readonly M[]): string | null {
  return [...messages].sort(byAge).at(-1)?.id ?? null;
}

type WithFeedback = { id: string; feedback: { updatedAt: Date } | null };

/**
 * The tree with these messages in it. What was read before a thumb may arrive after it: of two feedbacks on an answer the
 * newer one stays.
 */
export function putMessages<M extends WithFeedback>(messages: readonly M[], changed: readonly M[]): M[] {
  const known = new Map(messages.map((message) => [message.id, message]));
  for (const message of changed) {
    known.set(message.id, { ...message, feedback: newerFeedback(known.get(message.id), message) });
  }
  return [...known.values()];
}

function newerFeedback<M extends WithFeedback>(before: M | undefined, now: M): M["feedback"] {
  if (!before?.feedback || !now.feedback) return now.feedback ?? before?.feedback ?? null;
  return before.feedback.updatedAt > now.feedback.updatedAt ? before.feedback : now.feedback;
}

function byAge(a: TreeMessage, b: TreeMessage): number {
  return a.createdAt.getTime() - b.createdAt.getTime() || (a.id < b.id ? -1 : 1);
}
