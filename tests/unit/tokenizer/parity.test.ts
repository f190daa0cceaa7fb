/** @file Token ids and rendered templates against transformers' own, on the default model. */
import { beforeAll, describe, expect, it } from "vitest";
import { ChatTemplate } from "@/model/tokenizer/chat-template";
import { loadTokenizer } from "@/model/tokenizer/load-tokenizer";
import { type ConversationMessage, renderConversation } from "@/model/tokenizer/render-conversation";
import { TextStream } from "@/model/tokenizer/text-stream";
import type { Tokenizer } from "@/model/tokenizer/tokenizer";
import { defaultModelFolder } from "../../helpers/default-model";
import { parityFixture } from "../../helpers/parity-fixture";

type StringRow = { text: string; ids: number[]; decoded?: string };
type RenderedRow = {
  template: string;
  messages: ConversationMessage[];
  continueLast: boolean;
  text?: string;
  error?: string;
};

let tokenizer: Tokenizer;
let own: ChatTemplate;

beforeAll(async () => {
  ({ tokenizer, chatTemplate: own } = await loadTokenizer(defaultModelFolder(), []));
});

describe("1,000 strings: emoji, CJK, combining marks, control characters, random bytes", () => {
  const rows = parityFixture<StringRow[]>("strings");

  it("are 1,000", () => expect(rows).toHaveLength(1000));

  it("have transformers' token ids", () => {
    const differing = rows.filter(
      ({ text, ids }) => tokenizer.encode(text, { special: true }).join() !== ids.join(),
    );
    expect(differing.map(({ text }) => text)).toEqual([]);
  });

  it("come back as transformers decodes them", () => {
    for (const { text, ids, decoded } of rows) {
      expect(tokenizer.decode(ids, { special: true })).toBe(decoded ?? text);
    }
  });

  it("stream to the same text, token by token", () => {
    for (const { ids } of rows) {
      const stream = new TextStream(tokenizer, { special: true });
      const pieces = ids.map((id) => stream.push(id));
      expect(pieces.join("") + stream.end()).toBe(tokenizer.decode(ids, { special: true }));
    }
  });
});

describe("chat templates", () => {
  const { templates, rendered } = parityFixture<{
    templates: Record<string, string>;
    rendered: RenderedRow[];
  }>("conversations");
  const templateOf = (name: string) => (name === "own" ? own : new ChatTemplate(templates[name] ?? ""));
  const cases = rendered.map((row, index) => ({ ...row, title: `${row.template} ${index}` }));

  it.each(cases)("$title gives transformers' text", ({ template, messages, continueLast, text, error }) => {
    const render = () =>
      renderConversation(tokenizer, templateOf(template), messages, { contextLength: 8192, continueLast });
    if (error) expect(render).toThrow(error);
    else expect(render().text).toBe(text);
  });
});
