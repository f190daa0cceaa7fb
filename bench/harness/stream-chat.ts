/** @file One streamed answer over the OpenAI-compatible API, timed. */
import OpenAI from "openai";

export type StreamTimes = { firstTokenMs: number; tokens: number; model: string };

type StreamChat = { url: string; key: string; prompt: string; maxTokens: number };

/** Greedy, so that every run does the same work. @throws {Error} when no token came */
export async function streamChat({ url, key, prompt, maxTokens }: StreamChat): Promise<StreamTimes> {
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
  const startedAt = performance.now();
  const stream = await client.chat.completions.create({
    model: "live",
    messages: [{ role: "user", content: prompt }],
    max_completion_tokens: maxTokens,
    temperature: 0,
    stream: true,
    stream_options: { include_usage: true },
  });
  let firstTokenMs: number | null = null;
  let tokens = 0;
  let model = "";
  for await (const chunk of stream) {
    if (chunk.choices[0]?.delta.content) firstTokenMs ??= performance.now() - startedAt;
    tokens = chunk.usage?.completion_tokens ?? tokens;
    model = chunk.model;
  }
  if (firstTokenMs === null) throw new Error("The stream ended without a token.");
  return { firstTokenMs, tokens, model };
}
