/** @file Chat templates from outside: bounded in time, steps and size; the defaults for models without one. */
import { describe, expect, it } from "vitest";
import {
  ChatTemplate,
  ChatTemplateError,
  defaultTemplate,
  type TemplateLimits,
} from "@/model/tokenizer/chat-template";

const noSpecials = { bos: null, eos: null, unk: null, pad: null };
const render = (source: string, content = "hi", limits?: TemplateLimits) =>
  new ChatTemplate(source, limits).render([{ role: "user", content }], {
    addGenerationPrompt: true,
    specialTokens: { ...noSpecials, eos: "</s>" },
  });

describe("a hostile template ends in a clear error", () => {
  const doubling =
    "{% set ns = namespace(x='ab') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}";
  const lists =
    "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}";
  const loops =
    "{% for a in range(9000) %}{% for b in range(9000) %}{% for c in range(9000) %}{% endfor %}{% endfor %}{% endfor %}";
  it.each([
    ["nested loops", loops, /more than 200500 steps; it may loop/],
    [
      "nested loops over one list",
      `{% set r = range(9000) %}${loops.replaceAll("range(9000)", "r if true")}`,
      /200500 steps/,
    ],
    ["a range of a billion", "{% for i in range(10 ** 9) %}{% endfor %}", /list of more than 100000 entries/],
    ["a range without end", "{% for i in range(0, 5, 0) %}{% endfor %}", /step other than 0/],
    ["a text that doubles", doubling, /text of more than/],
    ["a list that doubles", lists, /list of more than 100000/],
    [
      "output that grows",
      `{% for i in range(20000) %}{{ '${"x".repeat(64)}' }}{% endfor %}`,
      /text of more than/,
    ],
    [
      "a macro that calls itself",
      "{% macro f(g) %}{{ g(g) }}{% endmacro %}{{ f(f) }}",
      /call stack|may loop/,
    ],
    ["a syntax error", "{% for %}", /cannot be read/],
    ["a template of two million characters", "x".repeat(2_000_000), /more than 1000000/],
    ["its own refusal", "{{ raise_exception('Roles must alternate') }}", /Roles must alternate/],
    ["an unknown filter", "{{ messages | nosuch }}", /nosuch/],
  ])("%s", (_, source, fact) => {
    expect(() => render(source)).toThrow(fact);
    expect(() => render(source)).toThrow(ChatTemplateError);
  });

  it("also by the clock, where single steps are slow", () => {
    const slow = "{% for i in range(90000) %}{% set y = range(90000) %}{% endfor %}";
    const limits = { steps: 1e12, milliseconds: 200, listLength: 1e5, textLength: 1e6 };
    const started = performance.now();
    expect(() => render(slow, "hi", limits)).toThrow(/more than 200 ms; it may loop/);
    // 25 times the limit: the machine may be busy.
    expect(performance.now() - started).toBeLessThan(5_000);
  });

  it("cannot reach JavaScript", () => {
    for (const source of [
      "{{ constructor }}",
      "{{ messages.constructor }}",
      "{{ ''.__proto__ }}",
      "{{ process }}",
    ]) {
      expect(render(source)).toBe("");
    }
  });

  it("leaves room for many messages", () => {
    const messages = Array.from({ length: 8192 }, () => ({ role: "user", content: "x" }));
    const text = defaultTemplate({ tokenId: () => 1 }).render(messages, {
      addGenerationPrompt: false,
      specialTokens: noSpecials,
    });
    expect(text.match(/<\|im_end\|>/g)).toHaveLength(8192);
  });

  it("leaves room for long messages", () => {
    const content = "x".repeat(2_000_000);
    expect(render("{% for m in messages %}{{ m.content }}{% endfor %}", content)).toBe(content);
  });
});

describe("strip as Python does it", () => {
  it.each([
    ["{{ messages[0].content | trim }}", "\ufeff a \x1c\x85", "\ufeff a"],
    ["{{ messages[0].content.strip() }}", " \u3000a\ufeff ", "a\ufeff"],
    ["{{ messages[0].content.lstrip() ~ '|' }}", " a ", "a |"],
    ["{{ messages[0]['content'].rstrip() ~ '|' }}", " a ", " a|"],
    ["{{ (messages[0].content | trim).strip() }}", " a ", "a"],
  ])("%s", (source, content, expected) => expect(render(source, content)).toBe(expected));
});

describe("a model without a template", () => {
  const messages = [
    { role: "system", content: "Be kind." },
    { role: "user", content: "Hi" },
    { role: "assistant", content: "Hello" },
    { role: "user", content: "Bye" },
  ];
  const options = { addGenerationPrompt: true, specialTokens: { ...noSpecials, eos: "<end>" } };

  it("gets ChatML if it has the tokens", () => {
    expect(defaultTemplate({ tokenId: () => 1 }).render(messages, options)).toBe(
      "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n" +
        "<|im_start|>assistant\nHello<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n",
    );
  });

  it("gets a plain dialogue if not", () => {
    expect(defaultTemplate({ tokenId: () => undefined }).render(messages, options)).toBe(
      "Be kind.\n\nUser: Hi\nAssistant: Hello<end>\nUser: Bye\nAssistant:",
    );
  });
});
