/** @file A conversation as another system exported it, in one shape for all layouts, and its tree put in order. */
import { storableText } from "../message-text";

export type HistoryMessage = {
  /** As the file names it. */
  key: string;
  parentKey: string | null;
  /** Null: nothing that a person or an assistant said to the other; its children move up. */
  role: "user" | "assistant" | null;
  content: string;
  createdAt: Date | null;
};

export type History = {
  title: string;
  systemPrompt: string;
  createdAt: Date | null;
  updatedAt: Date | null;
  messages: HistoryMessage[];
  /** The end of the branch that was on screen. */
  activeKey: string | null;
};

/** Why an item is no conversation, as the rest of a sentence. */
export type HistoryFault = { reason: string };

export type OrderedHistory = Omit<History, "messages" | "activeKey"> & {
  /** Parents before children; nothing but questions and answers. */
  messages: (HistoryMessage & { role: "user" | "assistant" })[];
  activeKey: string | null;
};

/** Seconds, milliseconds or nanoseconds since 1970, or a text that names a moment. */
export function readMoment(value: unknown): Date | null {
  if (typeof value === "string") return validDate(Date.parse(value));
  if (typeof value !== "number") return null;
  if (value > 1e16) return validDate(value / 1e6);
  return validDate(value > 1e11 ? value : value * 1000);
}

/** Between the first computers and the year 2200: whatever else a file says is no date. */
function validDate(ms: number): Date | null {
  return ms > 0 && ms < 7.3e12 ? new Date(Math.floor(ms)) : null;
}

/** The tree without what nobody said, parents first; pieces of one answer put together. */
export function orderHistory(history: History): OrderedHistory | HistoryFault {
  const byKey = new Map(history.messages.map((message) => [message.key, message]));
  const children = childrenOf(history.messages, byKey);
  const ordered: Placed[] = [];
  /** Key in the file → the message that stands for it; null above the first one. */
  const standIn = new Map<string, Placed | null>();
  const waiting = (children.get(null) ?? []).map((message) => ({ message, parent: null as Placed | null }));
  // Grows while it is walked: breadth first.
  for (const { message, parent } of waiting) {
    const isOnlyChild = (children.get(message.parentKey) ?? []).length === 1;
    const stands = place(message, parent, { isOnlyChild, ordered });
    standIn.set(message.key, stands);
    waiting.push(...(children.get(message.key) ?? []).map((child) => ({ message: child, parent: stands })));
  }
  if (standIn.size < byKey.size) return { reason: "has messages that follow one another in a circle" };
  if (ordered.length === 0) return { reason: "has no question and no answer in it" };
  const activeKey = history.activeKey === null ? null : (standIn.get(history.activeKey)?.key ?? null);
  return { ...history, messages: ordered, activeKey };
}

type Placed = OrderedHistory["messages"][number];

/** A message whose parent is not in the file begins the conversation. */
function childrenOf(all: readonly HistoryMessage[], byKey: ReadonlyMap<string, HistoryMessage>) {
  const children = new Map<string | null, HistoryMessage[]>();
  for (const message of all) {
    const parent = message.parentKey !== null && byKey.has(message.parentKey) ? message.parentKey : null;
    const siblings = children.get(parent);
    if (siblings) siblings.push(message);
    else children.set(parent, [message]);
  }
  return children;
}

function place(
  message: HistoryMessage,
  parent: Placed | null,
  { isOnlyChild, ordered }: { isOnlyChild: boolean; ordered: Placed[] },
): Placed | null {
  const content = storableText(message.content).trim();
  if (message.role === null || content === "") return parent;
  // An answer between whose parts a tool was called comes as several messages.
  if (parent && parent.role === message.role && isOnlyChild) {
    parent.content += `\n\n${content}`;
    return parent;
  }
  const placed = { ...message, role: message.role, content, parentKey: parent?.key ?? null };
  ordered.push(placed);
  return placed;
}
