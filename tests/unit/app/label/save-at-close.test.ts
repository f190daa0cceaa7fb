/** @file The draft of a task reaches the server though its page closes: its request is kept alive, and sent at once. */
import { afterEach, expect, test, vi } from "vitest";
import { createClient } from "@/app/_lib/trpc";

afterEach(() => vi.unstubAllGlobals());

const draft = { step: "rank", mode: "board" } as const;
const save = (note: string) =>
  createClient().labeling.saveDraft.mutate({
    claimId: "0192aaaa-1111-7222-8333-444444444444",
    draft: { ...draft, demonstration: { text: note, editedFromId: null, pastedCharacters: 0 } },
    draftVersion: 0,
    activeMs: 1,
  });

/** Never answered: what counts is what was sent. */
function heldFetch() {
  const sent: (RequestInit | undefined)[] = [];
  vi.stubGlobal("fetch", (_: unknown, init?: RequestInit) => {
    sent.push(init);
    return new Promise(() => {});
  });
  return sent;
}

/** All that still runs of a page that is closing: no timer fires any more. */
async function endOfTask(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve();
}

test("a draft goes out before the next timer, and is kept alive", async () => {
  const sent = heldFetch();
  void save("short");
  await endOfTask();
  expect(sent).toMatchObject([{ keepalive: true, method: "POST" }]);
});

test("a draft larger than browsers keep alive is sent all the same", async () => {
  const sent = heldFetch();
  // Three bytes each in UTF-8.
  void save("\u2028".repeat(30_000));
  await endOfTask();
  expect(sent).toMatchObject([{ keepalive: false, method: "POST" }]);
});
