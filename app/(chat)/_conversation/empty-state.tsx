/** @file The beginning of a conversation: what one can do here, and a few questions to begin with. */
"use client";

type EmptyStateProps = { title: string; text: string; onSuggest: (question: string) => void };

/** Small models do these well: short, concrete, no facts to get wrong. */
const suggestions = [
  "Explain what a rainbow is to a child of six.",
  "Write a polite note asking a neighbour to turn down the music.",
  "Give me five names for a small grey cat.",
  "Rewrite this more simply: “The meeting has been postponed indefinitely.”",
];

export function EmptyState({ title, text, onSuggest }: EmptyStateProps) {
  return (
    <div className="mx-auto flex w-full max-w-[38rem] grow flex-col justify-end overflow-y-auto px-4 py-6">
      <h2 className="text-title font-semibold">{title}</h2>
      <p className="mt-1 text-muted">{text}</p>
      <ul aria-label="Suggestions" className="mt-5 grid gap-2 sm:grid-cols-2">
        {suggestions.map((suggestion) => (
          <li key={suggestion}>
            <button
              type="button"
              onClick={() => onSuggest(suggestion)}
              className="h-full w-full rounded-lg border border-line px-3 py-2 text-left hover:bg-hover"
            >
              {suggestion}
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}
