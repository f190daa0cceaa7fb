/** @file The closed little world of the tiny model: its words and its facts. Everything the tiny tasks ask is answered here. */

export const names = [
  "Anna",
  "Ben",
  "Clara",
  "David",
  "Emma",
  "Finn",
  "Grace",
  "Henry",
  "Ivy",
  "Jack",
  "Lily",
  "Max",
];

/** What each animal looks like, says and likes to eat. */
export const animals = [
  { name: "cat", colour: "black", says: "meow", eats: "fish", home: "in a house", legs: 4 },
  { name: "dog", colour: "brown", says: "woof", eats: "meat", home: "in a house", legs: 4 },
  { name: "cow", colour: "white", says: "moo", eats: "grass", home: "on a farm", legs: 4 },
  { name: "duck", colour: "yellow", says: "quack", eats: "bread", home: "by the lake", legs: 2 },
  { name: "frog", colour: "green", says: "ribbit", eats: "flies", home: "by the pond", legs: 4 },
  { name: "sheep", colour: "white", says: "baa", eats: "grass", home: "on a farm", legs: 4 },
  { name: "pig", colour: "pink", says: "oink", eats: "corn", home: "on a farm", legs: 4 },
  { name: "lion", colour: "yellow", says: "roar", eats: "meat", home: "in the desert", legs: 4 },
  { name: "bird", colour: "blue", says: "tweet", eats: "seeds", home: "in a tree", legs: 2 },
  { name: "horse", colour: "brown", says: "neigh", eats: "apples", home: "on a farm", legs: 4 },
  { name: "mouse", colour: "grey", says: "squeak", eats: "cheese", home: "in a hole", legs: 4 },
  { name: "bear", colour: "brown", says: "growl", eats: "honey", home: "in the forest", legs: 4 },
] as const;

export const things = [
  { name: "sky", colour: "blue" },
  { name: "sun", colour: "yellow" },
  { name: "snow", colour: "white" },
  { name: "grass", colour: "green" },
  { name: "tomato", colour: "red" },
  { name: "banana", colour: "yellow" },
  { name: "night", colour: "black" },
  { name: "leaf", colour: "green" },
  { name: "sea", colour: "blue" },
  { name: "lemon", colour: "yellow" },
] as const;

export const opposites = [
  ["hot", "cold"],
  ["big", "small"],
  ["fast", "slow"],
  ["day", "night"],
  ["up", "down"],
  ["good", "bad"],
  ["old", "young"],
  ["open", "closed"],
  ["happy", "sad"],
  ["light", "dark"],
  ["long", "short"],
  ["wet", "dry"],
  ["left", "right"],
  ["full", "empty"],
  ["hard", "soft"],
  ["early", "late"],
] as const;

export const capitals = [
  ["France", "Paris"],
  ["Italy", "Rome"],
  ["Spain", "Madrid"],
  ["Germany", "Berlin"],
  ["England", "London"],
  ["Japan", "Tokyo"],
  ["Greece", "Athens"],
  ["Egypt", "Cairo"],
  ["Norway", "Oslo"],
  ["Austria", "Vienna"],
] as const;

export const days = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
export const months = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
];

/** Where a story may happen, with the word that says where somebody is. */
export const places = [
  { name: "forest", at: "in the forest" },
  { name: "garden", at: "in the garden" },
  { name: "river", at: "by the river" },
  { name: "house", at: "in the house" },
  { name: "school", at: "at the school" },
  { name: "market", at: "at the market" },
  { name: "beach", at: "on the beach" },
  { name: "park", at: "in the park" },
  { name: "farm", at: "on the farm" },
  { name: "lake", at: "by the lake" },
  { name: "hill", at: "on the hill" },
  { name: "village", at: "in the village" },
] as const;
export const objects = [
  "ball",
  "book",
  "apple",
  "hat",
  "box",
  "stone",
  "flower",
  "cake",
  "lamp",
  "boat",
  "key",
  "bell",
];
export const feelings = ["happy", "sad", "tired", "proud", "calm", "hungry", "brave", "kind"];
export const weathers = ["sunny", "rainy", "windy", "cold", "warm", "snowy"];

/** The words that lists are made of: each stands for itself, in lower case. */
export const listWords = [
  ...new Set([
    ...animals.map(({ name }) => name),
    ...things.map(({ name }) => name),
    ...places.map(({ name }) => name),
    ...objects,
    ...feelings,
    ...opposites.flat(),
    ...[
      "red",
      "blue",
      "green",
      "pink",
      "water",
      "milk",
      "bread",
      "rain",
      "wind",
      "moon",
      "star",
      "music",
      "paper",
    ],
    ...[
      "window",
      "door",
      "table",
      "chair",
      "road",
      "bridge",
      "summer",
      "winter",
      "morning",
      "evening",
      "friend",
    ],
  ]),
];

/** Subjects the tiny model has never heard of; the honest answer to a question about them is that it does not know. */
export const unknownSubjects = [
  "quantum physics",
  "the stock market",
  "bitcoin",
  "machine learning",
  "world war two",
  "the president",
  "photosynthesis",
  "football",
  "chemistry",
  "the internet",
  "democracy",
  "python",
  "javascript",
  "cooking pasta",
  "gravity",
  "the universe",
  "health insurance",
  "philosophy",
  "guitar chords",
  "black holes",
  "history",
  "the economy",
  "a computer",
  "electricity",
  "volcanoes",
  "dinosaurs",
  "a vaccine",
  "climate change",
  "rockets",
  "poetry",
];
