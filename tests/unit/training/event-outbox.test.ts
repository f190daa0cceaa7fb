/** @file What a worker reports: in order, none lost and none twice, in messages of a bounded size, whatever the server missed. */
import { expect, it } from "vitest";
import { EventOutbox } from "@/bin/training/event-outbox";
import { Refused } from "@/bin/training/protocol-client";
import { toProtocolEvents } from "@/bin/training/report-events";
import { maxEventsPerRequest, type WorkerEvent } from "@/server/runs/protocol";

/** A server that stores what comes next and says what it waits for otherwise, as the real one does. */
function fakeLease(first: number) {
  const stored: WorkerEvent[] = [];
  const messages: number[] = [];
  let lostMessages = 0;
  const lease = {
    progress: {},
    async post(_what: string, body: object) {
      const { events } = body as { events: WorkerEvent[] };
      messages.push(events.length);
      const expected = first + stored.length;
      const [start] = events;
      if ((start?.sequence ?? expected) > expected)
        throw new Refused("eventGap", "There is a gap.", { expected });
      stored.push(...events.filter(({ sequence }) => sequence >= expected));
      if (lostMessages-- > 0)
        throw new Refused("eventGap", "Its answer got lost.", { expected: first + stored.length });
      return { nextSequence: first + stored.length, stored: events.length, absorbed: 0 };
    },
  };
  return {
    // The answer's schema is the caller's; this one always fits it.
    lease: lease as unknown as ConstructorParameters<typeof EventOutbox>[0],
    stored,
    messages,
    loseAnswers: (count: number) => {
      lostMessages = count;
    },
  };
}

const line = (text: string) => ({ type: "log", level: "info", text }) as const;

it("sends everything once and in order, at most a thousand events at a time", async () => {
  const { lease, stored, messages } = fakeLease(118);
  const outbox = new EventOutbox(lease, 118);
  for (let i = 0; i < 2_500; i++) outbox.add(line(`${i}`));
  await outbox.drain();
  expect(stored.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 2_500 }, (_, i) => 118 + i));
  expect(Math.max(...messages)).toBeLessThanOrEqual(maxEventsPerRequest);
});

it("cuts messages by their size too, and always sends at least one event", async () => {
  const { lease, stored, messages } = fakeLease(1);
  const outbox = new EventOutbox(lease, 1);
  for (let i = 0; i < 400; i++) outbox.add(line("x".repeat(16_000)));
  await outbox.drain();
  expect(stored).toHaveLength(400);
  expect(messages).toEqual([260, 140]);
});

it("goes on from what the server waits for when an answer got lost", async () => {
  const { lease, stored, loseAnswers } = fakeLease(1);
  const outbox = new EventOutbox(lease, 1);
  loseAnswers(2);
  for (const text of ["a", "b", "c"]) outbox.add(line(text));
  await outbox.drain();
  outbox.add(line("d"));
  await outbox.drain();
  expect(stored.map((event) => "text" in event && event.text)).toEqual(["a", "b", "c", "d"]);
});

it("fails when the server waits for what it had acknowledged", async () => {
  const { lease, stored } = fakeLease(1);
  const outbox = new EventOutbox(lease, 1);
  outbox.add(line("a"));
  await outbox.drain();
  stored.length = 0;
  outbox.add(line("b"));
  await expect(outbox.drain()).rejects.toThrow(/waits for event 1/);
});

it("counts steps done, writes what is no number as null, and names the row of a sample", () => {
  expect(toProtocolEvents({ type: "skipped", step: 6, loss: Number.NaN, reason: "nonFinite" })).toEqual([
    { type: "metrics", step: 7, values: { loss: null } },
    {
      type: "incident",
      what: "nonFiniteStep",
      text: "Step 7 was left out: its loss or gradient is not finite.",
      step: 7,
    },
  ]);
  const source = { file: "/srv/data/5f0c.jsonl", line: 4 };
  expect(toProtocolEvents({ type: "sample", step: 6, prompt: "p", response: "r", source })).toEqual([
    { type: "sample", step: 6, prompt: "p", response: "r", source: { datasetId: "5f0c", position: 3 } },
  ]);
});
