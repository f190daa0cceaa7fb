/** @file Plain little stories and statements about the tiny world: the text of the tiny model's base stage. */
import type { Random } from "../random/random";
import {
  animals,
  capitals,
  feelings,
  names,
  objects,
  opposites,
  places,
  things,
  weathers,
} from "./tiny-world";

type Story = { hero: string; animal: string; place: (typeof places)[number]; object: string };

const openings = [
  (s: Story, weather: string) =>
    `One ${weather} day, ${s.hero} walked to the ${s.place.name} with a ${s.animal}.`,
  (s: Story, weather: string) =>
    `It was a ${weather} morning, and ${s.hero} saw a ${s.animal} ${s.place.at}.`,
  (s: Story) => `${s.hero} lived near the ${s.place.name} with a ${s.animal}.`,
  (s: Story) => `Once there was a ${s.animal} who lived ${s.place.at} with ${s.hero}.`,
];
const middles = [
  (s: Story) => `The ${s.animal} found a ${s.object} and gave it to ${s.hero}.`,
  (s: Story) => `There the ${s.animal} was looking for a ${s.object}.`,
  (s: Story) => `${s.hero} put the ${s.object} in a box and took it home.`,
  (s: Story) => `${s.hero} and the ${s.animal} played with the ${s.object} all day.`,
  (s: Story) => `A friend came and asked for the ${s.object}.`,
];
const endings = [
  (s: Story, feeling: string) => `In the evening, the ${s.animal} was ${feeling}.`,
  (s: Story, feeling: string) => `Then they went home, and ${s.hero} was ${feeling}.`,
  (s: Story) => `From that day on, ${s.hero} and the ${s.animal} were friends.`,
  () => `At night they looked at the moon and slept.`,
];

/** A story of three or four sentences about the given animal, or about any. */
export function writeStory(random: Random, animal = random.pick(animals).name): string {
  const story: Story = {
    hero: random.pick(names),
    animal,
    place: random.pick(places),
    object: random.pick(objects),
  };
  const firstMiddle = random.below(middles.length);
  const secondMiddle = (firstMiddle + 1 + random.below(middles.length - 1)) % middles.length;
  const middle = random.below(2) === 0 ? [firstMiddle] : [firstMiddle, secondMiddle];
  return [
    random.pick(openings)(story, random.pick(weathers)),
    ...middle.map((at) => (middles[at] ?? random.pick(middles))(story)),
    random.pick(endings)(story, random.pick(feelings)),
  ].join(" ");
}

const statements: ((random: Random) => string)[] = [
  (random) => {
    const { name, colour } = random.pick(things);
    return `The ${name} is ${colour}.`;
  },
  (random) => {
    const { name, says, eats } = random.pick(animals);
    return `A ${name} says ${says} and eats ${eats}.`;
  },
  (random) => {
    const { name, home, legs } = random.pick(animals);
    return `A ${name} has ${legs} legs and lives ${home}.`;
  },
  (random) => {
    const [country, city] = random.pick(capitals);
    return `${city} is the capital of ${country}.`;
  },
  (random) => {
    const [one, other] = random.pick(opposites);
    return `The opposite of ${one} is ${other}, and the opposite of ${other} is ${one}.`;
  },
];

/** One document of plain text: a story, or a paragraph of true statements. */
export function writeProse(random: Random): string {
  if (random.below(3) > 0) return writeStory(random);
  return Array.from({ length: 3 + random.below(4) }, () => random.pick(statements)(random)).join(" ");
}

/** One sentence that holds both words; both must be nouns of the world. */
export function writeSentenceWith(random: Random, [first, second]: readonly [string, string]): string {
  const hero = random.pick(names);
  return random.pick([
    `${hero} saw the ${first} near the ${second}.`,
    `The ${first} and the ${second} are ${random.pick(places).at}.`,
    `${hero} likes the ${first} and the ${second}.`,
    `There is a ${first} behind the ${second}.`,
  ]);
}
