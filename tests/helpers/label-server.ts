/** @file A real server whose database holds batches to label. It is stopped meanwhile: one process opens the database. */
import type { Db } from "@/server/db/db";
import { openDatabase } from "@/server/db/open-database";
import type { AttuneServer } from "./attune-server";

/** Signed-in browsers stay signed in. */
export async function seedStopped(server: AttuneServer, seed: (db: Db) => Promise<void>): Promise<void> {
  await server.stop();
  {
    await using database = await openDatabase({ dataFolder: server.dataFolder, purpose: "a test's seed" });
    await seed(database.db);
  }
  await server.start();
}

const sentences = [
  "Start with what you can observe before you change anything.",
  "Write down the first number you see, and the time you saw it.",
  "A second look often shows what the first one missed.",
  "If two causes explain the same thing, test the cheaper one.",
  "Stop when the answer would no longer change what you do.",
];

/** An answer of several paragraphs with a list and code, like the others but for its own words. */
export function longAnswer(index: number): string {
  const own = `This is answer number ${index + 1}, with ${index + 2} points of its own.`;
  const points = Array.from({ length: 6 + (index % 4) }, (_, i) => `${i + 1}. ${sentences[(i + index) % 5]}`);
  const paragraph = sentences.toSpliced(index % 5, 1, own).join(" ");
  return [
    `## A way to go about it`,
    own,
    paragraph,
    points.join("\n"),
    "```python\nfor step in steps:\n    observe(step)\n```",
    paragraph,
    `**In short:** ${sentences[index % 5]}`,
    paragraph,
  ].join("\n\n");
}
