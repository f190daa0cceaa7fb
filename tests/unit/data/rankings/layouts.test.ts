/** @file Each layout as its own program writes it is recognised and read. */
import { describe, expect, test } from "vitest";
import { readText } from "../../../helpers/ranked-prompts";

const lines = (...items: unknown[]) => items.map((item) => `${JSON.stringify(item)}\n`).join("");
const user = (content: string) => ({ role: "user", content });
const assistant = (content: string) => ({ role: "assistant", content });
const pairRecord = (prompt: unknown[], chosen: string, rejected: string) => ({
  prompt,
  responses: [{ text: chosen }, { text: rejected }],
  rankings: [{ ranks: [1, 2] }],
});

describe("chosen and rejected", () => {
  test.each([
    ["a prompt of text", { prompt: "Sky?", chosen: "Blue.", rejected: "Green." }],
    [
      "a prompt of turns",
      { prompt: [user("Sky?")], chosen: [assistant("Blue.")], rejected: [assistant("Green.")] },
    ],
    [
      "a prompt inside both",
      { chosen: [user("Sky?"), assistant("Blue.")], rejected: [user("Sky?"), assistant("Green.")] },
    ],
    [
      "a prompt of text and whole conversations",
      {
        prompt: "Sky?",
        chosen: [user("Sky?"), assistant("Blue.")],
        rejected: [user("Sky?"), assistant("Green.")],
      },
    ],
  ])("%s", async (_, item) => {
    const { records, problems, layouts } = await readText(lines(item));
    expect(problems).toEqual([]);
    expect(layouts).toEqual(["trl"]);
    expect(records).toEqual([pairRecord([user("Sky?")], "Blue.", "Green.")]);
  });

  test("texts that begin alike have their beginning as the prompt, as TRL takes it", async () => {
    const { records } = await readText(lines({ chosen: "The sky is blue.", rejected: "The sky is green." }));
    expect(records).toEqual([pairRecord([user("The sky is")], " blue.", " green.")]);
  });

  test("transcripts of several turns, other columns kept", async () => {
    const before = "\n\nHuman: Hi\n\nAssistant: Hello!\n\nHuman: Sky?\n\nAssistant: ";
    const { records, layouts } = await readText(
      lines({ chosen: `${before}Blue.`, rejected: `${before}Green.`, source: "harmless-base" }),
    );
    expect(layouts).toEqual(["hh"]);
    expect(records).toEqual([
      {
        ...pairRecord([user("Hi"), assistant("Hello!"), user("Sky?")], "Blue.", "Green."),
        meta: { source: "harmless-base" },
      },
    ]);
  });

  test("what is no pair is named with its remedy", async () => {
    const { problems } = await readText(
      lines(
        { chosen: "One.", rejected: "Two." },
        { chosen: [user("a"), assistant("b")], rejected: [user("c"), assistant("d")] },
        { chosen: [user("a")], rejected: [user("a"), assistant("d")] },
        { chosen: "text", rejected: [assistant("d")] },
        { chosen: 3, rejected: "x" },
      ),
    );
    expect(problems.map(({ place, fault }) => `${place.line} ${fault.field} ${fault.reason}`)).toEqual([
      "1 prompt is missing, and chosen and rejected begin differently",
      "2 rejected differs from chosen before the last response",
      "3 chosen does not end with an assistant's turn",
      "4 rejected is not of the kind that chosen is",
      "5 chosen is neither text nor a list of turns with role and content",
    ]);
    expect(problems.every(({ fault }) => fault.remedy.length > 10)).toBe(true);
  });
});

test("K-way lines with ranks from 0 beside the responses, ties included", async () => {
  const { records, layouts } = await readText(
    lines({
      prompt: "Sky?",
      dataset: "koala",
      responses: [
        { model: "m1", text: "Green.", preference: 0.1, rank: 2 },
        { model: "m2", text: "Blue.", rank: 0 },
        { model: "m3", text: "Azure.", rank: 0 },
      ],
    }),
  );
  expect(layouts).toEqual(["kWay"]);
  expect(records).toEqual([
    {
      prompt: [user("Sky?")],
      responses: [
        { text: "Green.", model: "m1", meta: { preference: 0.1 } },
        { text: "Blue.", model: "m2" },
        { text: "Azure.", model: "m3" },
      ],
      rankings: [{ ranks: [2, 1, 1] }],
      meta: { dataset: "koala" },
    },
  ]);
});

test("a tree of Open-Assistant: every prompter's message with two ranked replies or more, deleted ones left out", async () => {
  const node = (text: string, role: string, rest: object = {}) => ({ text, role, replies: [], ...rest });
  const deeper = node("Thanks, and the sea?", "prompter", {
    message_id: "m2",
    replies: [
      node("Blue too.", "assistant", { rank: 1 }),
      node("Green.", "assistant", { rank: 0, model_name: "m" }),
    ],
  });
  const tree = {
    message_tree_id: "t1",
    tree_state: "ready_for_export",
    prompt: node("Sky?", "prompter", {
      message_id: "m1",
      lang: "en",
      replies: [
        node("Blue.", "assistant", { rank: 0, replies: [deeper, node("Only one.", "prompter")] }),
        node("Grey.", "assistant", { rank: 1 }),
        node("Spam.", "assistant", { rank: 2, deleted: true }),
        node("Later.", "assistant", { rank: null }),
        { text: 3, role: "assistant" },
      ],
    }),
  };
  const { records, problems, layouts } = await readText(lines(tree));
  expect(layouts).toEqual(["oasst"]);
  expect(problems.map(({ fault }) => fault.field)).toEqual(["prompt.replies.4.text"]);
  expect(records).toEqual([
    {
      ...pairRecord([user("Sky?")], "Blue.", "Grey."),
      id: "m1",
      meta: { message_tree_id: "t1", lang: "en" },
    },
    {
      id: "m2",
      prompt: [user("Sky?"), assistant("Blue."), user("Thanks, and the sea?")],
      responses: [{ text: "Blue too." }, { text: "Green.", model: "m" }],
      rankings: [{ ranks: [2, 1] }],
      meta: { message_tree_id: "t1" },
    },
  ]);
});

describe("Arena battles", () => {
  const battle = (winner: string, rest: object = {}) => ({
    question_id: "q1",
    model_a: "koala",
    model_b: "vicuna",
    winner,
    judge: "arena_user_1",
    conversation_a: [user("Sky?"), assistant("Blue.")],
    conversation_b: [user("Sky?"), assistant("Green.")],
    turn: 1,
    anony: true,
    language: "English",
    tstamp: 1682352345.5,
    ...rest,
  });

  test("winner, tie and both bad", async () => {
    const { records, layouts } = await readText(
      lines(battle("model_b"), battle("tie"), battle("tie (bothbad)"), battle("both_bad")),
    );
    expect(layouts).toEqual(["arena"]);
    const labeled = { labeler: "arena_user_1", at: "2023-04-24T16:05:45.500Z" };
    expect(records.map(({ rankings }) => rankings)).toEqual([
      [{ ranks: [2, 1], ...labeled }],
      [{ ranks: [1, 1], ...labeled }],
      [{ ranks: [1, 1], noneAcceptable: true, ...labeled }],
      [{ ranks: [1, 1], noneAcceptable: true, ...labeled }],
    ]);
    expect(records[0]).toMatchObject({
      id: "q1",
      prompt: [user("Sky?")],
      responses: [
        { text: "Blue.", model: "koala" },
        { text: "Green.", model: "vicuna" },
      ],
      meta: { anony: true, language: "English" },
    });
  });

  test("several turns and unknown winners are named", async () => {
    const more = [user("And the sea?"), assistant("Blue.")];
    const { problems } = await readText(
      lines(
        battle("model_a", {
          conversation_a: [user("Sky?"), assistant("Blue."), ...more],
          conversation_b: [user("Sky?"), assistant("Green."), ...more],
        }),
        battle("nobody"),
      ),
    );
    expect(problems.map(({ fault }) => fault.field)).toEqual(["conversation_b", "winner"]);
    expect(String(problems[1]?.fault)).toContain('is "nobody"; known: model_a, model_b, tie');
  });
});

describe("Label Studio", () => {
  const task = (annotations: unknown[]) => ({
    id: 7,
    data: {
      prompt: "Sky?",
      answers: [
        { id: "x", title: "1", body: "Blue." },
        { id: "y", title: "2", body: "Green." },
        { id: "z", title: "3", body: "Grey." },
      ],
      topic: "nature",
    },
    annotations,
    predictions: [],
  });
  const ranker = (value: unknown, rest: object = {}) => ({
    id: 1,
    completed_by: 5,
    was_cancelled: false,
    created_at: "2026-01-02T03:04:05Z",
    result: [
      { type: "choices", value: { choices: ["fine"] } },
      { from_name: "rank", to_name: "answers", type: "ranker", value: { ranker: value } },
    ],
    ...rest,
  });

  test("orders, buckets, several annotators; cancelled annotations are passed over", async () => {
    const text = JSON.stringify(
      [
        task([
          ranker(["y", "x", "z"]),
          ranker({ rank: ["z", "y", "x"] }, { completed_by: { id: 6, email: "a@example.org" } }),
          ranker({ _: ["z"], rank_2: ["x"], rank_1: ["y"] }),
          ranker(["x"], { was_cancelled: true }),
        ]),
      ],
      null,
      2,
    );
    const { records, problems, layouts } = await readText(text, { chunkBytes: 5 });
    expect(problems).toEqual([]);
    expect(layouts).toEqual(["labelStudio"]);
    const made = { at: "2026-01-02T03:04:05Z" };
    expect(records).toEqual([
      {
        id: "7",
        prompt: [user("Sky?")],
        responses: [
          { text: "Blue.", meta: { title: "1" } },
          { text: "Green.", meta: { title: "2" } },
          { text: "Grey.", meta: { title: "3" } },
        ].map(({ text: body }) => ({ text: body })),
        rankings: [
          { ranks: [2, 1, 3], labeler: "5", ...made },
          { ranks: [3, 2, 1], labeler: "6", ...made },
          { ranks: [2, 1, null], labeler: "5", ...made },
        ],
        meta: { topic: "nature" },
      },
    ]);
  });

  test("buckets without an order, and ids that are not in the list, are named by item", async () => {
    const { problems } = await readText(
      JSON.stringify([task([ranker({ relevant: ["x"], biased: ["y"] })]), task([ranker(["x", "w"])])]),
    );
    expect(problems.map(({ place, fault }) => [place.item, fault.field])).toEqual([
      [1, "annotations.0.result.1.value.ranker"],
      [2, "annotations.0.result.1.value.ranker"],
    ]);
    expect(String(problems[0]?.fault)).toContain("Name buckets by rank");
    expect(String(problems[1]?.fault)).toContain("names w");
  });
});

describe("Argilla", () => {
  const fields = { prompt: "Sky?", "response-1": "Blue.", "response-2": "Green." };
  const expected = {
    prompt: [user("Sky?")],
    responses: [{ text: "Blue." }, { text: "Green." }],
  };

  test("version 2: answers by question, with ranks or best first; other questions are passed over", async () => {
    const value = [
      { value: "response-1", rank: 1 },
      { value: "response-2", rank: 1 },
    ];
    const record = {
      id: "r1",
      fields,
      metadata: { topic: "nature" },
      suggestions: {},
      responses: {
        ranking: [
          { value, user_id: "u1" },
          { value: ["response-2", "response-1"], user_id: "u2" },
        ],
        comment: [{ value: "nice", user_id: "u1" }],
      },
      vectors: {},
      _server_id: "s1",
    };
    const { records, layouts, problems } = await readText(JSON.stringify([record]));
    expect(problems).toEqual([]);
    expect(layouts).toEqual(["argilla"]);
    expect(records).toEqual([
      {
        ...expected,
        id: "r1",
        rankings: [
          { ranks: [1, 1], labeler: "u1" },
          { ranks: [2, 1], labeler: "u2" },
        ],
        meta: { topic: "nature" },
      },
    ]);
  });

  test("version 1: answers by user; drafts are passed over; reply-1 is response-1", async () => {
    const answer = (user_id: string, status: string) => ({
      user_id,
      status,
      values: {
        preference: {
          value: [
            { rank: 2, value: "reply-1" },
            { rank: 1, value: "reply-2" },
          ],
        },
      },
    });
    const record = { fields, responses: [answer("u1", "submitted"), answer("u2", "draft")], metadata: {} };
    const { records } = await readText(lines(record));
    expect(records).toEqual([{ ...expected, rankings: [{ ranks: [2, 1], labeler: "u1" }] }]);
  });

  test("an option that is no field is named", async () => {
    const record = { fields, responses: { ranking: [{ value: ["response-1", "other"], user_id: "u1" }] } };
    const { problems } = await readText(JSON.stringify([record]));
    expect(String(problems[0]?.fault)).toContain("other is ranked, and no field of text goes by that name");
  });
});
