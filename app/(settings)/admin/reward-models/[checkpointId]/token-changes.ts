/** @file What each token does to the score so far, and which of them move it most. */

type Token = { text: string; score: number };
/** `change` is 0 for the first token: there is nothing before it to compare with. */
export type TokenChange = Token & { change: number; isLarge: boolean };

/** Named in the text: one token in ten, those that change the score most. */
const largeShare = 0.1;

export function tokenChanges(tokens: readonly Token[]): TokenChange[] {
  const changes = tokens.map(({ score }, at) => score - (tokens[at - 1]?.score ?? score));
  const sizes = changes.map(Math.abs).toSorted((a, b) => b - a);
  const least = sizes[Math.ceil(tokens.length * largeShare) - 1] ?? 0;
  return tokens.map((token, at) => {
    const change = changes[at] ?? 0;
    return { ...token, change, isLarge: change !== 0 && Math.abs(change) >= least };
  });
}
