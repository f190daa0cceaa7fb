/** @file Puts conversations under "Today", "Last 7 days" and "Earlier". */

type Dated = { updatedAt: Date };
export type ConversationGroup<C> = { title: string; conversations: C[] };

const dayMs = 24 * 60 * 60 * 1000;

/** @param midnight the beginning of today for the reader. Keeps the order given; leaves empty groups out. */
export function groupByAge<C extends Dated>(
  conversations: readonly C[],
  midnight: Date,
): ConversationGroup<C>[] {
  const weekAgo = midnight.getTime() - 6 * dayMs;
  const groups = [
    { title: "Today", from: midnight.getTime(), to: Number.POSITIVE_INFINITY },
    { title: "Last 7 days", from: weekAgo, to: midnight.getTime() },
    { title: "Earlier", from: Number.NEGATIVE_INFINITY, to: weekAgo },
  ];
  return groups
    .map(({ title, from, to }) => ({
      title,
      conversations: conversations.filter(({ updatedAt }) => {
        const at = updatedAt.getTime();
        return at >= from && at < to;
      }),
    }))
    .filter((group) => group.conversations.length > 0);
}

/** In the reader's own zone; in UTC where that is not known yet (on the server). */
export function startOfToday(isLocal: boolean): Date {
  const now = new Date();
  if (isLocal) now.setHours(0, 0, 0, 0);
  else now.setUTCHours(0, 0, 0, 0);
  return now;
}
