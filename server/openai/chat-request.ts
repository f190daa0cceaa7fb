/** @file The body of POST /v1/chat/completions: what is understood, what is refused by name, what it means here. */
import { z } from "zod";
import type { ChatMessage } from "@/model/runtime/types";
import { withBoundedBody } from "../auth/request-checks";
import { checkMessageLength, storableText } from "../domain/message-text";
import { type SamplingOverrides, samplingOverridesSchema } from "../domain/sampling";
import { ParameterError } from "./api-error";

export const maxChoices = 8;
const maxMessages = 1000;

const textPart = z.object({ type: z.literal("text"), text: z.string() });
const content = z.union([
  z.string(),
  z.array(textPart).transform((parts) => parts.map((p) => p.text).join("")),
]);

const bodySchema = z.object({
  model: z.string().min(1).max(200),
  messages: z
    .array(
      z.object({
        role: z.enum(["system", "developer", "user", "assistant"]),
        content: content.nullish().transform((text) => text ?? ""),
      }),
    )
    .min(1)
    .max(maxMessages),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
  n: z.int().min(1).max(maxChoices).nullish(),
  stop: z
    .union([z.string(), z.array(z.string())])
    .nullish()
    .transform((stop) => (typeof stop === "string" ? [stop] : (stop ?? undefined))),
  seed: z.int().nullish(),
  temperature: samplingOverridesSchema.shape.temperature.nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  max_tokens: z.int().min(1).nullish(),
  max_completion_tokens: z.int().min(1).nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  // Not OpenAI's, but what local servers call them.
  top_k: samplingOverridesSchema.shape.topK.nullish(),
  min_p: samplingOverridesSchema.shape.minP.nullish(),
  repetition_penalty: samplingOverridesSchema.shape.repetitionPenalty.nullish(),
});

/** Would change the answer and cannot be done: refused, because ignoring them would be a wrong answer. */
const refused: Record<string, (value: unknown) => boolean> = {
  tools: (value) => Array.isArray(value) && value.length > 0,
  functions: (value) => Array.isArray(value) && value.length > 0,
  response_format: (value) => !(value instanceof Object && "type" in value && value.type === "text"),
  frequency_penalty: (value) => value !== 0,
  presence_penalty: (value) => value !== 0,
  logit_bias: (value) => value instanceof Object && Object.keys(value).length > 0,
  audio: () => true,
};

export type ChatCall = {
  model: string;
  systemPrompt: string;
  turns: ChatMessage[];
  sampling: SamplingOverrides;
  choices: number;
  isStream: boolean;
  includeUsage: boolean;
  /** Null = no log-probabilities asked for; else how many alternatives with each. */
  topLogprobs: number | null;
};

/** @throws {AppError} BAD_REQUEST naming the parameter; TOO_LARGE for a body or message beyond its limit */
export async function readChatRequest(request: Request): Promise<ChatCall> {
  const body = await readJson(await withBoundedBody(request));
  for (const [param, isRefused] of Object.entries(refused)) {
    const value = body instanceof Object ? Reflect.get(body, param) : undefined;
    if (value !== undefined && value !== null && isRefused(value)) {
      throw new ParameterError(`This server cannot do “${param}”. Leave it out.`, param);
    }
  }
  const parsed = bodySchema.safeParse(body);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const param = issue?.path.join(".") ?? "";
    throw new ParameterError(`${param || "body"}: ${issue?.message ?? "does not fit"}`, param || null);
  }
  return toCall(parsed.data);
}

function toCall(body: z.infer<typeof bodySchema>): ChatCall {
  for (const { content } of body.messages) checkMessageLength(content);
  const isSystem = (role: string) => role === "system" || role === "developer";
  const said = (keep: (role: string) => boolean) => body.messages.filter(({ role }) => keep(role));
  const turns = said((role) => !isSystem(role)).map(({ role, content }) => ({
    role: role === "assistant" ? ("assistant" as const) : ("user" as const),
    content: storableText(content),
  }));
  if (turns.at(-1)?.role !== "user") {
    throw new ParameterError("The last message must be of role “user”.", "messages");
  }
  if (body.top_logprobs && !body.logprobs) {
    throw new ParameterError("top_logprobs needs logprobs: true.", "top_logprobs");
  }
  return {
    model: body.model,
    systemPrompt: storableText(
      said(isSystem)
        .map(({ content }) => content)
        .join("\n\n"),
    ),
    turns,
    sampling: readSampling(body),
    choices: body.n ?? 1,
    isStream: body.stream ?? false,
    includeUsage: body.stream_options?.include_usage ?? false,
    topLogprobs: body.logprobs ? (body.top_logprobs ?? 0) : null,
  };
}

function readSampling(body: z.infer<typeof bodySchema>): SamplingOverrides {
  const given = {
    temperature: body.temperature,
    // 0 is what some clients send for "most likely token only".
    topP: body.top_p === 0 ? 1e-6 : body.top_p,
    topK: body.top_k,
    minP: body.min_p,
    repetitionPenalty: body.repetition_penalty,
    maxTokens: body.max_completion_tokens ?? body.max_tokens,
    stop: body.stop,
    // OpenAI's seeds have 64 bits, ours 31.
    seed: body.seed === undefined || body.seed === null ? undefined : Math.abs(body.seed) % 2 ** 31,
  };
  const parsed = samplingOverridesSchema.safeParse(
    Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined && value !== null)),
  );
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const param = String(issue?.path[0] ?? "");
  throw new ParameterError(`${param}: ${issue?.message ?? "does not fit"}`, param);
}

async function readJson(request: Request): Promise<unknown> {
  try {
    return await request.json();
  } catch {
    throw new ParameterError("The body is not JSON.", null);
  }
}
