/** @file Prompts that state rules a response can be checked against, for the gold judge of model/eval/gold.ts. */
import type { GoldRule } from "../eval/gold";
import type { Random } from "../random/random";

export type GoldPrompt = { prompt: string; rules: GoldRule[] };

const topics =
  "the sea|a small town|winter|the moon|an old house|a long journey|a good friend|the forest|a busy market|rain|a garden|the night sky|a school|a river|breakfast|a train station|music|a birthday|the desert|a bakery|an island|a library|a football game|autumn|a mountain|the first day of work|a bicycle|a lost key|a farm|a bridge|a storm|a letter|cooking|a museum|a lazy cat|a hungry dog|the summer holidays|a fishing boat|a snowy road|a hospital|learning to swim|a clever child|a new neighbour|a walk in the park|the city at night|a village fair|an airport|a quiet morning|a broken clock|a painter".split(
    "|",
  );

const words =
  "quiet|bright|stone|window|slowly|blue|warm|morning|light|old|green|together|wind|door|silver|remember|cold|laugh|road|table|water|far|gentle|bread|hope|small|path|evening|color|glass|story|heavy|smile|early|wooden|fresh|gold|begin|carefully|home".split(
    "|",
  );

/** Short ones and long ones, so that no length is best everywhere. */
const bands = [
  { least: 5, most: 10 },
  { least: 8, most: 16 },
  { least: 12, most: 20 },
  { least: 18, most: 28 },
] as const;

const openings = ["Write about", "Tell me something about", "Describe", "Say something about"] as const;

/** Each once; what a response cut after 48 tokens can still satisfy. @throws RangeError for more than there are */
export function makeGoldPrompts(random: Random, count: number): GoldPrompt[] {
  const most = topics.length * words.length;
  if (count > most) throw new RangeError(`There are no ${count} different prompts, only ${most} at most.`);
  const made = new Map<string, GoldPrompt>();
  while (made.size < count) {
    const next = makeGoldPrompt(random);
    made.set(next.prompt, next);
  }
  return [...made.values()];
}

function makeGoldPrompt(random: Random): GoldPrompt {
  const [topic, band] = [random.pick(topics), random.pick(bands)];
  const wanted = new Set([random.pick(words), random.pick(words)]);
  const isList = random.below(5) === 0;
  const items = isList ? 2 + random.below(2) : null;
  const named = [...wanted].map((word) => `"${word}"`).join(" and ");
  const form = items === null ? "in plain sentences" : `as a list of ${items} lines that begin with "- "`;
  return {
    prompt: `${random.pick(openings)} ${topic} ${form}. Use ${wanted.size > 1 ? "the words" : "the word"} ${named}, and ${band.least} to ${band.most} words in all.`,
    rules: [
      { type: "words", words: [...wanted] },
      { type: "length", ...band },
      { type: "format", items },
      { type: "noRepetition" },
      { type: "ending" },
    ],
  };
}
