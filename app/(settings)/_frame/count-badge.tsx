/** @file A count beside a link: what waits behind it. Nothing where nothing waits. */

export function CountBadge({ count, of }: { count: number; of: string }) {
  if (count === 0) return null;
  return (
    <span className="relative ml-auto rounded-full bg-accent px-1.5 text-small text-on-accent tabular">
      {count > 99 ? "99+" : count}
      <span className="sr-only"> {of}</span>
    </span>
  );
}
