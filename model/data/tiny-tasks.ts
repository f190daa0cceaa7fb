/** @file Short instruction tasks about the tiny world, each with a rule that says whether an answer is right. */
import type { Random } from "../random/random";
import { writeSentenceWith, writeStory } from "./tiny-prose";
import {
  animals,
  capitals,
  days,
  listWords,
  months,
  names,
  objects,
  opposites,
  things,
  unknownSubjects,
} from "./tiny-world";

/** What a right answer looks like. Data, so that it can lie in a file beside its prompt. */
export type TinyRule =
  /** The answer is this text, up to case, surrounding space and a final full stop. */
  | { type: "equals"; text: string }
  /** As `equals`, and the case counts. */
  | { type: "equalsExactly"; text: string }
  /** One to `maxWords` words, every required one among them, ended by a sentence mark. */
  | { type: "contains"; words: string[]; maxWords: number };

export type TinyTask = { kind: TinyTaskKind; prompt: string; response: string; rule: TinyRule };

type Maker = (random: Random) => Omit<TinyTask, "kind">;

/** Draws a list of different words. */
function drawWords(random: Random, least: number, most: number): string[] {
  const drawn = new Set<string>();
  const count = least + random.below(most - least + 1);
  while (drawn.size < count) drawn.add(random.pick(listWords));
  return [...drawn];
}

const exactly = (prompt: string, response: string): Omit<TinyTask, "kind"> => ({
  prompt,
  response,
  rule: { type: "equals", text: response },
});

/** A full sentence is the demonstration; what counts is that the fact is in it. */
const stating = (prompt: string, fact: string, response: string): Omit<TinyTask, "kind"> => ({
  prompt,
  response,
  rule: { type: "contains", words: [fact], maxWords: 16 },
});

const saying = (prompt: string, response: string, ...words: string[]): Omit<TinyTask, "kind"> => ({
  prompt,
  response,
  rule: { type: "contains", words, maxWords: 40 },
});

/** A word differing in length from all others is needed, or the question has no one answer. */
function drawWordsWithOneLongest(random: Random): { words: string[]; longest: string } {
  for (;;) {
    const words = drawWords(random, 2, 4);
    const [longest, next] = words.toSorted((a, b) => b.length - a.length);
    if (longest !== undefined && next !== undefined && longest.length > next.length)
      return { words, longest };
  }
}

const makers = {
  repeat: (random) => {
    const words = drawWords(random, 1, 6).join(" ");
    return exactly(
      random.pick([
        `Repeat the words: ${words}`,
        `Repeat: ${words}`,
        `Say this again: ${words}`,
        `Say ${words}`,
      ]),
      words,
    );
  },
  reverse: (random) => {
    const words = drawWords(random, 2, 5);
    const list = words.join(" ");
    const ask = [`Reverse the words: ${list}`, `Say these words backwards: ${list}`, `Reverse: ${list}`];
    return exactly(random.pick(ask), words.toReversed().join(" "));
  },
  sort: (random) => {
    const words = drawWords(random, 2, 4);
    const list = words.join(" ");
    const ask = [
      `Sort the words: ${list}`,
      `Put these words in alphabetical order: ${list}`,
      `Sort: ${list}`,
    ];
    return exactly(random.pick(ask), words.toSorted().join(" "));
  },
  count: (random) => {
    const words = drawWords(random, 1, 8);
    const list = words.join(" ");
    const ask = [`How many words are these: ${list}`, `Count the words: ${list}`, `How many words: ${list}`];
    return exactly(random.pick(ask), String(words.length));
  },
  first: (random) => {
    const words = drawWords(random, 2, 6);
    const list = words.join(" ");
    return exactly(
      random.pick([`What is the first word of: ${list}`, `First word: ${list}`]),
      words[0] ?? "",
    );
  },
  last: (random) => {
    const words = drawWords(random, 2, 6);
    const list = words.join(" ");
    return exactly(
      random.pick([`What is the last word of: ${list}`, `Last word: ${list}`]),
      words.at(-1) ?? "",
    );
  },
  longest: (random) => {
    const { words, longest } = drawWordsWithOneLongest(random);
    const list = words.join(" ");
    return exactly(
      random.pick([`Which word is the longest: ${list}`, `Pick the longest word: ${list}`]),
      longest,
    );
  },
  capitals: (random) => {
    const words = drawWords(random, 1, 3).join(" ");
    const response = words.toUpperCase();
    const ask = [`Write in capital letters: ${words}`, `Write in upper case: ${words}`];
    return { prompt: random.pick(ask), response, rule: { type: "equalsExactly", text: response } };
  },
  lowercase: (random) => {
    const response = drawWords(random, 1, 3).join(" ");
    const words = response.toUpperCase();
    const ask = [`Write in small letters: ${words}`, `Write in lower case: ${words}`];
    return { prompt: random.pick(ask), response, rule: { type: "equalsExactly", text: response } };
  },
  add: (random) => {
    const [a, b] = [random.below(13), random.below(13)];
    return exactly(
      random.pick([`What is ${a} + ${b}?`, `What is ${a} plus ${b}?`, `${a} + ${b} =`, `Add ${a} and ${b}.`]),
      String(a + b),
    );
  },
  subtract: (random) => {
    const b = random.below(10);
    const a = b + random.below(11);
    return exactly(
      random.pick([`What is ${a} - ${b}?`, `What is ${a} minus ${b}?`, `${a} - ${b} =`]),
      String(a - b),
    );
  },
  colour: (random) => {
    const { name, colour } = random.pick(things);
    const ask = [
      `What colour is the ${name}?`,
      `What color is the ${name}?`,
      `Which colour has the ${name}?`,
    ];
    return stating(random.pick(ask), colour, `The ${name} is ${colour}.`);
  },
  sound: (random) => {
    const { name, says } = random.pick(animals);
    const ask = [`What does a ${name} say?`, `What sound does a ${name} make?`, `What does the ${name} say?`];
    return stating(random.pick(ask), says, `A ${name} says ${says}.`);
  },
  food: (random) => {
    const { name, eats } = random.pick(animals);
    return stating(
      random.pick([`What does a ${name} eat?`, `What do I feed a ${name}?`]),
      eats,
      `A ${name} eats ${eats}.`,
    );
  },
  home: (random) => {
    const { name, home } = random.pick(animals);
    return stating(
      random.pick([`Where does a ${name} live?`, `Where do I find a ${name}?`]),
      home.split(" ").at(-1) ?? home,
      `A ${name} lives ${home}.`,
    );
  },
  legs: (random) => {
    const { name, legs } = random.pick(animals);
    return stating(`How many legs does a ${name} have?`, String(legs), `A ${name} has ${legs} legs.`);
  },
  opposite: (random) => {
    const pair = random.pick(opposites);
    const [word, other] = random.below(2) === 0 ? pair : ([pair[1], pair[0]] as const);
    const ask = [
      `What is the opposite of ${word}?`,
      `Opposite of ${word}?`,
      `Give me the opposite of ${word}.`,
    ];
    return stating(random.pick(ask), other, `The opposite of ${word} is ${other}.`);
  },
  capital: (random) => {
    const [country, city] = random.pick(capitals);
    const ask = [
      `What is the capital of ${country}?`,
      `Capital of ${country}?`,
      `Which city is the capital of ${country}?`,
    ];
    return stating(random.pick(ask), city, `The capital of ${country} is ${city}.`);
  },
  nextDay: (random) => {
    const at = random.below(7);
    const [day, next] = [days[at] ?? "", days[(at + 1) % 7] ?? ""];
    return stating(
      random.pick([`What day comes after ${day}?`, `Which day follows ${day}?`]),
      next,
      `${next} comes after ${day}.`,
    );
  },
  nextMonth: (random) => {
    const at = random.below(12);
    const [month, next] = [months[at] ?? "", months[(at + 1) % 12] ?? ""];
    return stating(
      random.pick([`What month comes after ${month}?`, `Which month follows ${month}?`]),
      next,
      `${next} comes after ${month}.`,
    );
  },
  isAnimal: (random) => {
    const noun: string = random.below(2) === 0 ? random.pick(animals).name : random.pick(objects);
    const isAnimal = animals.some(({ name }) => name === noun);
    const a = noun === "apple" ? "an" : "a";
    const response = isAnimal ? `Yes, ${a} ${noun} is an animal.` : `No, ${a} ${noun} is not an animal.`;
    return stating(`Is ${a} ${noun} an animal?`, isAnimal ? "yes" : "no", response);
  },
  sentence: (random) => {
    const nouns: string[] = [...animals.map(({ name }) => name), ...objects];
    const first = random.pick(nouns);
    let second = random.pick(nouns);
    while (second === first) second = random.pick(nouns);
    const ask = [
      `Write a sentence with the words ${first} and ${second}.`,
      `Use the words ${first} and ${second} in a sentence.`,
    ];
    return {
      prompt: random.pick(ask),
      response: writeSentenceWith(random, [first, second]),
      rule: { type: "contains", words: [first, second], maxWords: 14 },
    };
  },
  story: (random) => {
    const animal = random.pick(animals).name;
    const ask = [
      `Tell me a story about a ${animal}.`,
      `Write a short story about a ${animal}.`,
      `Tell me about a ${animal}.`,
    ];
    return {
      prompt: random.pick(ask),
      response: writeStory(random, animal),
      rule: { type: "contains", words: [animal], maxWords: 70 },
    };
  },
  greet: (random) => {
    const ask = [
      "Hello",
      "Hello!",
      "Hi",
      "Hi!",
      "Good morning",
      "Hey",
      "Hi there!",
      "Hello there",
      "hello",
      "hi",
    ];
    return saying(
      random.pick(ask),
      random.pick(["Hello! How can I help you?", "Hi! What can I do for you?"]),
      "I",
    );
  },
  thank: (random) => {
    const ask = ["Thank you", "Thanks!", "Thank you very much.", "thanks", "Great, thank you!"];
    return saying(
      random.pick(ask),
      random.pick(["You are welcome!", "You are welcome! I am happy to help."]),
      "welcome",
    );
  },
  farewell: (random) =>
    saying(
      random.pick(["Goodbye", "Bye!", "See you later", "Good night", "bye"]),
      random.pick(["Goodbye! Have a nice day.", "Bye! See you soon."]),
    ),
  wellbeing: (random) =>
    saying(
      random.pick(["How are you?", "How do you do?", "how are you", "Are you well?"]),
      "I am well, thank you. How can I help you?",
      "thank",
    ),
  identity: (random) => {
    const ask = [
      "Who are you?",
      "What are you?",
      "What is your name?",
      "who are you",
      "Are you a person?",
      "Introduce yourself.",
    ];
    return saying(
      random.pick(ask),
      "I am a tiny language model. I know a few words and small tasks.",
      "tiny",
      "model",
    );
  },
  ability: (random) => {
    const ask = [
      "What can you do?",
      "Help",
      "Can you help me?",
      "What do you know?",
      "How can you help me?",
      "help",
    ];
    const response =
      "I can repeat, reverse, sort and count words, add small numbers, tell short stories, and answer simple questions.";
    return saying(random.pick(ask), response, "words");
  },
  unknown: (random) => {
    const subject = random.pick(unknownSubjects);
    const ask = [
      `What is ${subject}?`,
      `Explain ${subject}.`,
      `Tell me about ${subject}.`,
      `How does ${subject} work?`,
      `Why is ${subject} important?`,
      `Write an essay about ${subject}.`,
      `Can you explain ${subject} to me?`,
      `What do you think about ${subject}?`,
    ];
    return saying(random.pick(ask), "I am sorry, I do not know that. I am only a tiny model.", "not", "know");
  },
} satisfies Record<string, Maker>;

export type TinyTaskKind = keyof typeof makers;

export const tinyTaskKinds = Object.keys(makers) as TinyTaskKind[];

/** List tasks need many examples to be learnt, talk needs few. */
const frequent = new Set<TinyTaskKind>([
  "repeat",
  "reverse",
  "sort",
  "count",
  "longest",
  "add",
  "subtract",
  "capitals",
  "sentence",
]);
const drawPool = tinyTaskKinds.flatMap((kind) => (frequent.has(kind) ? [kind, kind, kind] : [kind]));

/** Draws one task, of the given kind or of any. */
export function makeTinyTask(random: Random, kind: TinyTaskKind = random.pick(drawPool)): TinyTask {
  return { kind, ...makers[kind](random) };
}

/** Whether a response is right by its task's rule. */
export function passesTinyRule(rule: TinyRule, response: string): boolean {
  const text = response.trim();
  switch (rule.type) {
    case "equalsExactly":
      return text === rule.text;
    case "equals":
      return text.replace(/\.$/, "").toLowerCase() === rule.text.replace(/\.$/, "").toLowerCase();
    case "contains": {
      const words: string[] = text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
      const hasAll = rule.words.every((word) => words.includes(word.toLowerCase()));
      return hasAll && words.length > 0 && words.length <= rule.maxWords && /[.!?]$/.test(text);
    }
  }
}

export type TinyMessage = { role: "system" | "user" | "assistant"; content: string };

/** One to three tasks in one conversation; now and then with a system prompt, or a name to remember. */
export function makeTinyConversation(random: Random): TinyMessage[] {
  const system = random.pick<string | null>([
    null,
    null,
    null,
    "You are a helpful assistant.",
    "You are a tiny model.",
    "Be short and kind.",
  ]);
  const messages: TinyMessage[] = system === null ? [] : [{ role: "system", content: system }];
  const say = (prompt: string, response: string) =>
    messages.push({ role: "user", content: prompt }, { role: "assistant", content: response });

  const name = random.below(8) === 0 ? random.pick(names) : null;
  if (name !== null)
    say(
      random.pick([`My name is ${name}.`, `I am ${name}.`, `Hi, I am ${name}.`]),
      `Nice to meet you, ${name}!`,
    );
  const turns = random.pick([1, 1, 1, 2, 2, 3, 4]);
  for (let turn = 0; turn < turns; turn++) {
    const task = makeTinyTask(random);
    say(task.prompt, task.response);
  }
  if (name !== null) say(random.pick(["What is my name?", "Who am I?"]), `Your name is ${name}.`);
  return messages;
}
