/** @file What a stage tells, as the protocol's events: steps done instead of step numbers, rows instead of files. */
import path from "node:path";
import type { Evaluation } from "@/model/eval/evaluate";
import type { ShownEpisode } from "@/model/train/ppo/shown-episodes";
import type { SampleSource } from "@/model/train/sample-text";
import { listProblems } from "@/model/train/unfit-data";
import { mostEpisodeTokens, mostTranscriptCharacters, type WorkerEvent } from "@/server/runs/protocol";
import type { NewEvent } from "./event-outbox";
import type { StageEvent } from "./stage-messages";

type ToldEpisode = Extract<WorkerEvent, { type: "episodes" }>["episodes"][number];

const longest = { log: 16_000, sample: 32_000, incident: 4_000 };

/** Empty: nothing that is reported. */
export function toProtocolEvents(event: StageEvent): NewEvent[] {
  switch (event.type) {
    case "data": {
      const { training, validation, leftOut } = event;
      const counts = `${training} examples to train on, ${validation} held out, ${leftOut.length} left out.`;
      const text = [counts, ...(leftOut.length > 0 ? [listProblems(leftOut)] : [])].join("\n");
      return [{ type: "log", level: leftOut.length > 0 ? "warn" : "info", text: cut(text, "log") }];
    }
    case "note":
      return [{ type: "log", level: event.level, text: cut(event.text, "log") }];
    case "resumed":
      return [{ type: "log", level: "info", text: `Going on after step ${event.step}.`, step: event.step }];
    case "step": {
      const { loss, lr, gradientNorm, tokensPerSecond, epoch, tokensSeen, memoryMb, seconds } = event;
      const memoryBytes = Math.round(memoryMb * 2 ** 20);
      const measured = { loss, lr, gradientNorm, tokensPerSecond, epoch, tokensSeen, memoryBytes };
      const values = { ...measured, ...inSeconds(seconds) };
      return [{ type: "metrics", step: event.step + 1, values: finite(values) }];
    }
    case "skipped": {
      const step = event.step + 1;
      const why =
        event.reason === "spike"
          ? `its loss ${event.loss.toFixed(4)} is far above those before`
          : "its loss or gradient is not finite";
      return [
        { type: "metrics", step, values: finite({ loss: event.loss }) },
        { type: "incident", what: "nonFiniteStep", text: `Step ${step} was left out: ${why}.`, step },
      ];
    }
    case "evaluated": {
      const { type, step, ...evaluation } = event;
      return [{ type: "metrics", step, values: finite(evaluation) }];
    }
    case "iteration": {
      const values = { ...namedForProtocol(event.metrics), ...inSeconds(event.seconds) };
      return [{ type: "metrics", step: event.step + 1, values: finite(values) }];
    }
    case "episodes":
      return event.episodes.length === 0
        ? []
        : [{ type: "episodes", step: event.step + 1, episodes: fitting(event.episodes.map(toEpisode)) }];
    case "bestOfN":
      // Of the first evaluation; the nats follow from n.
      return [
        {
          type: "metrics",
          step: 0,
          values: finite(Object.fromEntries(event.points.map(({ n, score }) => [`bestOf${n}`, score]))),
        },
      ];
    case "sample": {
      const { step, prompt, response, source } = event;
      const text = { prompt: cut(prompt, "sample"), response: cut(response, "sample") };
      return [{ type: "sample", step, ...text, source: source && toRow(source) }];
    }
    case "phase": {
      const { step, name, seconds } = event;
      return [{ type: "phase", step, name, seconds }];
    }
    case "saved":
      // The server writes the checkpoint itself onto the timeline.
      return [];
    case "suites": {
      const named = event.suites.map(({ name, items }) => `${name} (${items} items)`).join(", ");
      return [{ type: "log", level: "info", text: cut(`Asks ${event.totalItems} items: ${named}.`, "log") }];
    }
    case "item":
      return [];
    case "suite": {
      const { title, variant, figures, items } = event.result;
      const told = figures.map(({ name, value }) => `${name} ${value.toFixed(3)}`).join(", ");
      const text = cut(`${title}, ${variant}: ${told}; ${items.length} items.`, "log");
      const values = finite(Object.fromEntries(figures.map(({ name, value }) => [name, value])));
      return [
        { type: "metrics", step: event.done, values },
        { type: "log", level: "info", text, step: event.done },
      ];
    }
    case "evaluation":
      return toEvaluationEvents(event);
  }
}

/** Texts first, so that figures never stand without what is behind them. */
function toEvaluationEvents({ report, transcripts }: Evaluation): NewEvent[] {
  const short = (text: string) => text.slice(0, mostTranscriptCharacters);
  const told = transcripts.map(({ messages, response, expected, ...rest }) => ({
    ...rest,
    messages: messages.slice(-100).map(({ role, content }) => ({ role, content: short(content) })),
    response: short(response),
    expected: short(expected),
  }));
  const events: NewEvent[] = [];
  for (let from = 0; from < told.length; from += transcriptsAMessage)
    events.push({ type: "transcripts", from, transcripts: told.slice(from, from + transcriptsAMessage) });
  return [...events, { type: "evaluation", report }];
}

/** Of the longest texts they stay within one message. */
const transcriptsAMessage = 20;

/** "generation" → generationSeconds */
function inSeconds(phases: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(phases).map(([name, seconds]) => [`${name}Seconds`, seconds]));
}

/** Parts of a score have names of people's: `part.` and as much of the name as the protocol takes. */
function namedForProtocol(metrics: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(metrics).map(([name, value]) => {
      const [, part] = /^part\.(.*)$/su.exec(name) ?? [];
      return [part === undefined ? name : `part.${partName(part)}`, value];
    }),
  );
}

const partName = (name: string) => name.replace(/\p{Cc}/gu, " ").slice(0, 60);

function toEpisode(shown: ShownEpisode): ToldEpisode {
  const told = shown.tokens.slice(0, mostEpisodeTokens);
  const parts = Object.entries(shown.parts).map(([name, score]) => [partName(name), round(score)]);
  return {
    source: toRow(shown.source),
    episode: {
      prompt: shown.prompt.slice(0, 8_000),
      response: shown.response.slice(0, 16_000),
      score: round(shown.score),
      parts: Object.fromEntries(parts),
      reward: round(shown.reward),
      kl: round(shown.kl),
      isEnded: shown.isEnded,
      tokens: told.map(({ text }) => text.slice(0, 200)),
      tokenLogprobs: told.map(({ logprob }) => round(logprob)),
      tokenKl: told.map(({ kl }) => round(kl)),
      tokenValues: told.map(({ value }) => round(value)),
    },
  };
}

/** People read three digits; the rest would be most of the message. */
const round = (value: number) => (Number.isFinite(value) ? Number(value.toPrecision(4)) : 0);

/** One message holds them all: of very long responses fewer are told. */
function fitting(episodes: ToldEpisode[]): ToldEpisode[] {
  let bytes = 0;
  const end = episodes.findIndex((each) => {
    bytes += Buffer.byteLength(JSON.stringify(each));
    return bytes > mostEpisodesBytes;
  });
  return end < 0 ? episodes : episodes.slice(0, Math.max(1, end));
}

const mostEpisodesBytes = 2 * 1024 * 1024;

export const cut = (text: string, kind: keyof typeof longest): string => text.slice(0, longest[kind]);

/** JSON has no NaN. */
function finite(values: Readonly<Record<string, number | undefined>>): Record<string, number | null> {
  return Object.fromEntries(
    Object.entries(values).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, Number.isFinite(value) ? value : null]],
    ),
  );
}

/** A dataset's file is named by its id, and has a row on each line. */
function toRow({ file, line }: SampleSource): { datasetId: string; position: number } {
  return { datasetId: path.basename(file, ".jsonl"), position: line - 1 };
}
