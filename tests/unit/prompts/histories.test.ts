/** @file Files of other systems: cut into items however they arrive, and read by their layouts. */
import fs from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { readChatGpt } from "@/server/domain/histories/chatgpt";
import { orderHistory, readMoment } from "@/server/domain/histories/history";
import { readLibreChat } from "@/server/domain/histories/librechat";
import { readOpenWebUi } from "@/server/domain/histories/open-webui";
import { readItems } from "@/server/domain/histories/read-items";

const fixture = (name: string): unknown =>
  JSON.parse(fs.readFileSync(path.join("tests/fixtures/histories", name), "utf8"));

async function* pieces(text: string, size: number) {
  const bytes = Buffer.from(text);
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size);
}

async function itemsOf(text: string, size = 7) {
  const items: unknown[] = [];
  for await (const item of readItems(pieces(text, size))) items.push("value" in item ? item.value : item);
  return items;
}

describe("items of a file", () => {
  it.each([1, 2, 7, 1000])("are the same in pieces of %i bytes", async (size) => {
    const values = [{ a: 'quote " and \\ and ]}', b: [{ c: "ü😀" }] }, {}, { "[": "{" }];
    expect(await itemsOf(JSON.stringify(values), size)).toEqual(values);
    expect(await itemsOf(` \n${JSON.stringify(values, null, 2)}\n`, size)).toEqual(values);
    expect(await itemsOf(`\uFEFF${JSON.stringify(values[0])}`, size)).toEqual([values[0]]);
    expect(await itemsOf("[]", size)).toEqual([]);
  });

  it("that cannot be read are named, and the rest comes", async () => {
    expect(await itemsOf('[{"a": 1}, {"a": oops}, {"a": 3}]')).toEqual([
      { a: 1 },
      { number: 2, reason: "is not JSON" },
      { a: 3 },
    ]);
    const bytes = Buffer.concat([Buffer.from('[{"a": "'), Buffer.from([0xff]), Buffer.from('"}]')]);
    const items = [];
    for await (const item of readItems(
      (async function* () {
        yield bytes;
      })(),
    ))
      items.push(item);
    expect(items).toEqual([{ number: 1, reason: "is not UTF-8" }]);
  });

  it.each([
    ["", /empty/],
    ["hello", /not JSON/],
    ["PK\u0003\u0004", /ZIP/],
    ['[{"a": 1}, {"b"', /middle of item 2/],
    ['[{"a": 1}, 7]', /Behind item 1/],
    ['{"a": 1} {"b": 2}', /behind the end/],
  ])("of %j are refused", async (text, reason) => {
    await expect(itemsOf(text)).rejects.toThrow(reason);
  });

  it("longer than 32 MB are left out, and what follows is read", async () => {
    const long = `[{"a": "${"x".repeat(33 * 1024 * 1024)}"}, {"b": 1}]`;
    expect(await itemsOf(long, 65_536)).toEqual([
      { number: 1, reason: expect.stringMatching(/a conversation may have 33554432/) },
      { b: 1 },
    ]);
  });
});

const told = (history: ReturnType<typeof orderHistory>) =>
  "reason" in history
    ? history.reason
    : history.messages.map(({ key, parentKey, role, content }) => [key, parentKey, role, content]);

describe("ChatGPT", () => {
  const items = fixture("chatgpt.json") as object[];
  const read = (i: number) => {
    const history = readChatGpt(items[i] ?? {});
    return "reason" in history ? history : orderHistory(history);
  };

  it("keeps branches and leaves out thoughts, tools and pictures", () => {
    expect(told(read(0))).toEqual([
      ["n2", null, "user", "Why is the sky blue?"],
      ["n7", "n2", "assistant", "It scatters."],
      ["n6", "n2", "assistant", "Because of Rayleigh scattering."],
    ]);
    expect(read(0)).toMatchObject({
      title: "Sky colours",
      activeKey: "n6",
      createdAt: new Date(1712345678500),
      updatedAt: new Date(1712349999250),
    });
  });

  it("names what is broken", () => {
    expect(told(read(1))).toMatch(/is not laid out as ChatGPT does it/);
    expect(told(read(2))).toBe("has messages that follow one another in a circle");
    expect(told(read(3))).toBe("has no question and no answer in it");
  });
});

describe("open-webui", () => {
  const items = fixture("open-webui.json") as object[];
  const read = (i: number) => {
    const history = readOpenWebUi(items[i] ?? {});
    return "reason" in history ? history : orderHistory(history);
  };

  it("keeps branches and the system prompt, without reasoning", () => {
    expect(told(read(0))).toEqual([
      ["q1", null, "user", "How do I bake bread?"],
      ["a1", "q1", "assistant", "Buy it."],
      ["a2", "q1", "assistant", "Mix, knead, wait, bake."],
    ]);
    expect(read(0)).toMatchObject({ systemPrompt: "You are a baker.", activeKey: "a2" });
  });

  it("reads the branch of old exports", () => {
    expect(told(read(1))).toEqual([
      ["0", null, "user", "Hello"],
      ["1", "0", "assistant", "Hello to you"],
    ]);
  });
});

describe("LibreChat", () => {
  const read = (value: object) => {
    const history = readLibreChat(value);
    return "reason" in history ? history : orderHistory(history);
  };

  it("reads nested and flat exports alike, without errors and thoughts", () => {
    const tree = read(fixture("librechat-tree.json") as object);
    expect(told(tree)).toEqual([
      ["m1", null, "user", "Name a tree"],
      ["m2", "m1", "assistant", "Oak"],
      ["m3", "m1", "assistant", "Beech"],
    ]);
    expect(tree).toMatchObject({
      systemPrompt: "You are a forester.",
      activeKey: "m3",
      updatedAt: new Date("2024-05-28T16:33:09.000Z"),
    });
    expect(told(read(fixture("librechat-flat.json") as object))).toEqual([
      ["x1", null, "user", "One?"],
      ["x3", "x1", "assistant", "Two."],
    ]);
  });

  it("names the message that is none", () => {
    expect(told(read({ conversationId: "c", messages: [{ text: "?" }] }))).toMatch(/message \(number 1\)/);
  });
});

describe("an answer in pieces", () => {
  it("is one answer, and dates are read in any unit", () => {
    const message = (key: string, parentKey: string | null, role: "user" | "assistant", content: string) =>
      ({ key, parentKey, role, content, createdAt: null }) as const;
    const history = orderHistory({
      title: "",
      systemPrompt: "",
      createdAt: null,
      updatedAt: null,
      activeKey: "c",
      messages: [
        message("a", "gone", "user", "q"),
        message("b", "a", "assistant", "one"),
        message("c", "b", "assistant", "two"),
      ],
    });
    expect(told(history)).toEqual([
      ["a", null, "user", "q"],
      ["b", "a", "assistant", "one\n\ntwo"],
    ]);
    expect(history).toMatchObject({ activeKey: "b" });
    const moment = new Date("2024-05-28T16:33:02.000Z");
    for (const value of [1716913982, 1716913982000, 1716913982e9, "2024-05-28T16:33:02Z"]) {
      expect(readMoment(value)).toEqual(moment);
    }
    for (const value of [-5, Number.NaN, 9e300, "soon", {}, null]) expect(readMoment(value)).toBeNull();
  });
});
