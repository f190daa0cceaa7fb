/**
 * @file A model's chat template: code from outside, run with bounds on steps, time, list and text sizes, so that a
 * template that loops or explodes ends in a clear error.
 */
import { Environment, Interpreter, parse, tokenize } from "@huggingface/jinja";
import { evaluateStrip } from "./python-strip";
import type { SpecialTokens } from "./tokenizer";

export class ChatTemplateError extends Error {
  override readonly name = "ChatTemplateError";
  constructor(fact: string, options?: ErrorOptions) {
    super(`The model's chat template failed: ${fact}.`, options);
  }
}

export type TemplateMessage = { role: string; content: string };
export type RenderOptions = { addGenerationPrompt: boolean; specialTokens: SpecialTokens };

export type TemplateLimits = {
  /** Statements and expressions, and rounds of loops fourfold; 500 more for each message. Real templates take about 50. */
  steps: number;
  /** On the clock: the net under steps that are slow one by one, wide enough for a busy machine. */
  milliseconds: number;
  /** Entries in any list the template makes. */
  listLength: number;
  /** Characters of the output beyond ten times the input. */
  textLength: number;
};

const defaultLimits: TemplateLimits = {
  steps: 200_000,
  milliseconds: 10_000,
  listLength: 100_000,
  textLength: 1_000_000,
};
const stepsPerMessage = 500;
/** A round makes a scope and a `loop` object. */
const stepsPerRound = 4;
const maxSourceLength = 1_000_000;

type Program = ReturnType<typeof parse>;
type Statement = Parameters<Interpreter["evaluate"]>[0];
type RuntimeValue = ReturnType<Interpreter["evaluate"]>;

export class ChatTemplate {
  readonly #program: Program;

  /** @throws ChatTemplateError when it is no valid template */
  constructor(
    readonly source: string,
    readonly limits: TemplateLimits = defaultLimits,
  ) {
    if (source.length > maxSourceLength) {
      throw new ChatTemplateError(`it has ${source.length} characters, more than ${maxSourceLength}`);
    }
    try {
      // As transformers sets up Jinja.
      this.#program = parse(tokenize(source, { lstrip_blocks: true, trim_blocks: true }));
    } catch (cause) {
      throw new ChatTemplateError(`it cannot be read (${describe(cause)})`, { cause });
    }
  }

  /** @throws ChatTemplateError also for what the template itself raises (a role it does not know, …) */
  render(messages: readonly TemplateMessage[], options: RenderOptions): string {
    const inputLength = messages.reduce((total, { content }) => total + content.length, 0);
    const limits = {
      ...this.limits,
      steps: this.limits.steps + stepsPerMessage * messages.length,
      textLength: this.limits.textLength + 10 * inputLength,
    };
    const environment = templateEnvironment(limits);
    for (const [name, token] of Object.entries(options.specialTokens)) {
      if (token !== null) environment.set(`${name}_token`, token);
    }
    environment.set("messages", messages);
    environment.set("add_generation_prompt", options.addGenerationPrompt);
    try {
      const value: unknown = new BoundedInterpreter(environment, limits).run(this.#program).value;
      if (typeof value !== "string") throw new ChatTemplateError("it made no text");
      return value;
    } catch (cause) {
      if (cause instanceof ChatTemplateError) throw cause;
      throw new ChatTemplateError(describe(cause), { cause });
    }
  }
}

const describe = (cause: unknown) => (cause instanceof Error ? cause.message : String(cause)).slice(0, 500);

/** Every statement and expression passes through `evaluate`, and so does every value a template can grow. */
class BoundedInterpreter extends Interpreter {
  #steps = 0;
  readonly #loopedOver = new WeakSet<object>();
  readonly #deadline: number;

  constructor(
    environment: Environment,
    readonly limits: TemplateLimits,
  ) {
    super(environment);
    this.#deadline = performance.now() + limits.milliseconds;
  }

  override evaluate(statement: Statement, environment: Environment): RuntimeValue {
    this.#count(1);
    if (statement?.type === "For") this.#expectLoopOver(statement);
    const again = (each: Statement, scope: Environment) => this.evaluate(each, scope);
    const result = evaluateStrip(statement, environment, again) ?? super.evaluate(statement, environment);
    const value: unknown = result.value;
    checkSize(value, this.limits);
    // An empty body is never evaluated: rounds count as steps of their own.
    if (Array.isArray(value) && statement && this.#loopedOver.has(statement))
      this.#count(stepsPerRound * value.length);
    return result;
  }

  #count(steps: number): void {
    const { limits } = this;
    this.#steps += steps;
    if (this.#steps > limits.steps)
      throw new ChatTemplateError(`it took more than ${limits.steps} steps; it may loop`);
    if (performance.now() > this.#deadline) {
      throw new ChatTemplateError(`it took more than ${limits.milliseconds} ms; it may loop`);
    }
  }

  /** `for x in list` and `for x in list if test`. */
  #expectLoopOver(loop: object): void {
    const iterable = "iterable" in loop ? loop.iterable : null;
    if (typeof iterable !== "object" || iterable === null) return;
    this.#loopedOver.add(iterable);
    if ("lhs" in iterable && typeof iterable.lhs === "object" && iterable.lhs)
      this.#loopedOver.add(iterable.lhs);
  }
}

function checkSize(value: unknown, { textLength, listLength }: TemplateLimits): void {
  if (typeof value === "string" && value.length > textLength) {
    throw new ChatTemplateError(`it made a text of more than ${textLength} characters`);
  }
  if (Array.isArray(value) && value.length > listLength) throw tooManyEntries(listLength);
}

const tooManyEntries = (listLength: number) =>
  new ChatTemplateError(`it made a list of more than ${listLength} entries`);

/** The globals transformers gives a template, `range` bounded before it fills memory. */
function templateEnvironment(limits: TemplateLimits): Environment {
  const environment = new Environment();
  for (const [name, value] of Object.entries({ true: true, false: false, none: null })) {
    environment.set(name, value);
    environment.set(name.charAt(0).toUpperCase() + name.slice(1), value);
  }
  environment.set("raise_exception", (message: unknown) => {
    throw new ChatTemplateError(String(message));
  });
  environment.set("range", (...bounds: unknown[]) => range(bounds.map(Number), limits.listLength));
  environment.set("strftime_now", (format: unknown) => formatDate(new Date(), String(format)));
  return environment;
}

/** Python's range(stop), range(start, stop) or range(start, stop, step). */
function range(bounds: number[], listLength: number): number[] {
  const [start = 0, stop = 0, stride = 1] = bounds.length === 1 ? [0, ...bounds] : bounds;
  const length = Math.max(0, Math.ceil((stop - start) / stride));
  if (!Number.isFinite(length))
    throw new ChatTemplateError("range() needs whole numbers and a step other than 0");
  if (length > listLength) throw tooManyEntries(listLength);
  return Array.from({ length }, (_, i) => start + i * stride);
}

/** The codes that chat templates use, in English as Python's C locale prints them. */
function formatDate(date: Date, format: string): string {
  const month = (style: "long" | "short") => new Intl.DateTimeFormat("en-US", { month: style }).format(date);
  const twoDigits = (value: number) => String(value).padStart(2, "0");
  const codes: Record<string, () => string> = {
    "%Y": () => String(date.getFullYear()),
    "%m": () => twoDigits(date.getMonth() + 1),
    "%d": () => twoDigits(date.getDate()),
    "%b": () => month("short"),
    "%B": () => month("long"),
    "%H": () => twoDigits(date.getHours()),
    "%M": () => twoDigits(date.getMinutes()),
    "%%": () => "%",
  };
  return format.replace(/%[A-Za-z%]/g, (code) => codes[code]?.() ?? code);
}

/** Turns between ChatML's marks; for a model that was given those tokens but no template. */
const chatMl =
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}" +
  "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

/** Plain names and colons; any model that has read dialogues on the web can go on with it. */
const plainDialogue =
  "{% for message in messages %}" +
  "{% if message['role'] == 'system' %}{{ message['content'] + '\n\n' }}" +
  "{% elif message['role'] == 'user' %}{{ 'User: ' + message['content'] + '\n' }}" +
  "{% else %}{{ 'Assistant: ' + message['content'] }}{{ eos_token }}{{ '\n' }}{% endif %}" +
  "{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}";

/** The template for a model that brings none. */
export function defaultTemplate(tokenizer: { tokenId(token: string): number | undefined }): ChatTemplate {
  const hasChatMl = ["<|im_start|>", "<|im_end|>"].every((token) => tokenizer.tokenId(token) !== undefined);
  return new ChatTemplate(hasChatMl ? chatMl : plainDialogue);
}
